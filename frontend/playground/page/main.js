// The page: views show what a source tells, a source does what the page is asked for.

import { $ } from "./dom.js";
import { fill, readColours } from "./colours.js";
import { Controls } from "./controls.js";
import { NetworkView } from "./network.js";
import { NumbersView } from "./numbers.js";
import { OutputView } from "./output.js";
import { CurvesView } from "./curves.js";
import { ProgramView } from "./program.js";
import { LiveSource } from "./live.js";
import { RecordedSource } from "./recorded.js";

class Page {
  constructor() {
    const facts = JSON.parse($("#facts").textContent);
    const change = (fields) => this.source.change(fields);
    this.controls = new Controls(facts, change);
    this.output = new OutputView(facts);
    const numbers = new NumbersView((number) => this.source.edit(number));
    this.network = new NetworkView(facts, change, (shown) => this.output.look(shown), numbers);
    this.curves = new CurvesView();
    this.program = new ProgramView();
  }

  state(state) {
    this.settings = state.settings;
    this.problem = state.problem;
    this.preview();
    this.output.show(state);
    this.program.show(state.program);
    this.history(state.history);
  }

  /** The settings as they will be once the server has taken what is pending. */
  preview() {
    const settings = { ...this.settings, ...this.source.pending };
    this.controls.show(settings);
    this.network.show(settings);
  }

  history(points) {
    this.curves.begin(points);
  }

  frame(frame) {
    $("#epoch").textContent = Math.floor(frame.epoch).toLocaleString("en");
    $("#steps").textContent = frame.step.toLocaleString("en");
    this.network.draw(frame);
    this.output.draw(frame);
    this.curves.draw(frame, this.problem);
  }

  live(live) {
    this.playing(live.playing);
    this.program.live(live);
    if (live.trouble) this.trouble(live.trouble);
    else if (live.playing) this.trouble(null);
  }

  playing(isPlaying) {
    const button = $("#play");
    button.setAttribute("aria-pressed", String(isPlaying));
    button.title = isPlaying ? "Pause (space)" : "Play (space)";
    $(".unseen", button).textContent = isPlaying ? "Pause" : "Play";
  }

  /** What went wrong and what to do, until it is closed or solved. */
  trouble(trouble) {
    const box = $("#trouble");
    box.hidden = !trouble;
    if (!trouble) return;
    $("strong", box).textContent = trouble.what;
    $("span", box).textContent = trouble.fix;
  }

  busy(isBusy) {
    document.body.classList.toggle("busy", isBusy);
  }

  paint() {
    readColours();
    fill($("#ramp"), Int8Array.from({ length: 255 }, (_, at) => at - 127), 255);
    for (const view of [this.controls, this.network, this.output, this.curves]) view.paint();
  }
}

function follow(page) {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => page.paint());
  $("#theme").onclick = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    root.dataset.theme = isDark ? "light" : "dark";
    page.paint();
  };
}

function connect(page) {
  $("#play").onclick = () => page.source.play();
  $("#step").onclick = () => page.source.step();
  $("#reset").onclick = () => page.source.reset();
  $("#trouble button").onclick = () => page.trouble(null);
  document.addEventListener("keydown", (event) => {
    const isFree = event.target === document.body || event.target.closest(".scroll, #source");
    if (event.key !== " " || !isFree || event.target.closest("button")) return;
    event.preventDefault();
    page.source.play();
  });
}

function start() {
  const packed = $("#recordings").textContent.trim();
  document.body.dataset.mode = packed ? "recorded" : "live";
  const page = new Page();
  page.paint();
  page.source = packed ? new RecordedSource(page, packed) : new LiveSource(page);
  if (packed) page.controls.freeze();
  follow(page);
  connect(page);
}

start();
