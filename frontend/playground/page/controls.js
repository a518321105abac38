// What is picked: selects, sliders and data sets, made from the fields that the server checks.

import { $, el } from "./dom.js";
import { colour } from "./colours.js";

const RATES = [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const NAMES = {
  "1 step": "1 step",
  "1 epoch": "1 epoch",
  "10 epochs": "10 epochs",
  full: "full speed",
};

export class Controls {
  /** `change(fields)` is called with what somebody picks. */
  constructor(facts, change) {
    this.facts = facts;
    this.change = change;
    this.settings = null;
    this.isFrozen = false;
    this.fillSelects();
    this.setUpSliders();
    this.makeSets();
    $("#seed").onclick = () => change({ seed: Math.floor(Math.random() * 1e6) });
  }

  fillSelects() {
    for (const select of document.querySelectorAll("select[name]")) {
      const { name } = select;
      for (const value of this.choices(name)) {
        select.append(el("option", { value, textContent: NAMES[value] ?? value }));
      }
      select.onchange = () => this.picked(name, select.value);
    }
  }

  choices(name) {
    if (name === "problem") return [...new Set(Object.values(this.facts.problems))];
    const field = this.facts.fields[name];
    if (field.enum) return field.enum;
    return RATES.filter((rate) => rate >= field.minimum && rate <= field.maximum);
  }

  picked(name, value) {
    if (name === "problem") {
      const first = Object.entries(this.facts.problems).find(([, problem]) => problem === value);
      return this.change({ data: first[0] });
    }
    return this.change({ [name]: this.facts.fields[name].enum ? value : Number(value) });
  }

  setUpSliders() {
    for (const slider of document.querySelectorAll("input[type=range][name]")) {
      const { minimum, maximum } = this.facts.fields[slider.name];
      Object.assign(slider, { min: minimum, max: maximum });
      slider.oninput = () => this.tell(slider);
      slider.onchange = () => this.change({ [slider.name]: Number(slider.value) });
    }
  }

  tell(slider) {
    const value = Number(slider.value);
    const shown = slider.name === "batch_size" ? value : `${Math.round(100 * value)} %`;
    $("b", slider.parentElement).textContent = shown;
  }

  makeSets() {
    this.sets = Object.keys(this.facts.problems).map((name) => {
      const canvas = el("canvas", { width: 96, height: 96, "aria-hidden": "true" });
      const button = el("button", { type: "button", name }, canvas, el("span", {}, name));
      button.onclick = () => this.change({ data: name });
      $("#sets").append(button);
      return button;
    });
  }

  paint() {
    for (const button of this.sets) dots($("canvas", button), this.facts.samples[button.name]);
    if (this.settings) this.show(this.settings);
  }

  show(settings) {
    this.settings = settings;
    const problem = this.facts.problems[settings.data];
    for (const select of document.querySelectorAll("select[name]")) {
      choose(select, select.name === "problem" ? problem : settings[select.name]);
    }
    for (const slider of document.querySelectorAll("input[type=range][name]")) {
      slider.value = settings[slider.name];
      this.tell(slider);
    }
    for (const button of this.sets) {
      button.hidden = this.facts.problems[button.name] !== problem;
      button.setAttribute("aria-pressed", String(button.name === settings.data));
    }
    $("select[name=penalty_rate]").disabled = this.isFrozen || settings.penalty === "none";
    $("#seed b").textContent = settings.seed;
  }

  /** Recorded runs show what was picked, and nothing can be picked. */
  freeze() {
    this.isFrozen = true;
    for (const part of document.querySelectorAll("select[name], input[name], #sets button")) {
      part.disabled = true;
    }
  }
}

/** A value that is not among the options becomes one. */
function choose(select, value) {
  const text = String(value);
  if (![...select.options].some((option) => option.value === text)) {
    select.append(el("option", { value: text, textContent: text }));
  }
  select.value = text;
}

function dots(canvas, points) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (const [x, y, target] of points) {
    pen.fillStyle = colour(target);
    pen.beginPath();
    pen.arc(48 + 7.2 * x, 48 - 7.2 * y, 3.4, 0, 7);
    pen.fill();
  }
}
