// What was compiled: kernels, the source lines that they compute, and counts.

import { $, count, el, memory } from "./dom.js";

export class ProgramView {
  constructor() {
    this.facts = $("#facts-list");
    this.shown = "";
  }

  show(program) {
    this.program = program;
    const key = JSON.stringify(program.kernels.map((kernel) => [kernel.name, kernel.nbytes]));
    if (key !== this.shown) {
      this.shown = key;
      $("#kernels").replaceChildren(...program.kernels.map(kernelOf));
      $("#source").replaceChildren(...program.source.map(lineOf));
    }
    this.tell();
  }

  live(live) {
    this.now = live;
    this.tell();
  }

  tell() {
    const { program, now } = this;
    if (!program) return;
    const facts = [
      ["fused kernels", program.kernels.length, `of ${program.operations} operations`],
      ["parameters", program.parameters, ""],
      ["planned peak memory", memory(program.peak_bytes), `${memory(program.unshared_bytes)} unshared`],
    ];
    if (now) {
      const pace = now.step_seconds ? 1 / now.step_seconds : 0;
      $("#pace").textContent = pace ? count(pace) : "–";
      const micro = now.step_seconds ? `${(1e6 * now.step_seconds).toPrecision(3)} µs` : "–";
      facts.push(["a step takes", micro, ""]);
      facts.push(["compiled", `${now.compilations} ×`, `the last in ${now.compile_seconds.toFixed(2)} s`]);
    }
    this.facts.replaceChildren(...facts.map(factOf));
    this.facts.dataset.compilations = now?.compilations ?? "";
  }
}

function factOf([name, value, more]) {
  const said = el("dd", {}, String(value));
  if (more) said.append(" ", el("small", {}, more));
  return el("div", {}, el("dt", {}, name), said);
}

function chip(number) {
  const made = el("a", { className: "chip", href: `#kernel-${number}` }, `k${number}`);
  made.dataset.hue = number % 10;
  made.onclick = (event) => {
    event.preventDefault();
    const kernel = $(`#kernel-${number}`);
    kernel.open = true;
    kernel.scrollIntoView({ block: "nearest" });
  };
  return made;
}

function kernelOf(kernel) {
  const lines = kernel.lines.map((line) => line.split(":")[1]).join(", ");
  const where = `${lines ? `lines ${lines} · ` : ""}${memory(kernel.nbytes)}`;
  const title = el(
    "summary",
    {},
    chip(kernel.number),
    el("b", {}, kernel.kind),
    el("span", {}, kernel.operations.join(", ")),
    el("small", {}, where),
  );
  return el("details", { id: `kernel-${kernel.number}` }, title, el("pre", {}, kernel.text));
}

function lineOf(line) {
  const chips = el("span", { className: "chips" }, ...line.kernels.map(chip));
  const number = el("span", { className: "number" }, String(line.number));
  return el("div", {}, chips, number, el("code", {}, line.text));
}
