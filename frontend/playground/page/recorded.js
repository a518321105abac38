// Runs that were recorded: a slider goes through their frames.

import { $, bytes, el } from "./dom.js";

const FRAME_MS = 110;

export class RecordedSource {
  constructor(view, packed) {
    this.view = view;
    this.timer = null;
    this.pending = {};
    this.slider = $("#time");
    this.slider.oninput = () => {
      this.pause();
      this.go(Number(this.slider.value));
    };
    inflate(packed).then((runs) => this.begin(runs));
  }

  begin(runs) {
    this.runs = runs;
    this.buttons = runs.map((run, at) => {
      const button = el("button", { type: "button" }, run.title);
      button.onclick = () => this.pick(at);
      return button;
    });
    $("#presets").replaceChildren(...this.buttons);
    this.pick(0);
  }

  pick(at) {
    this.pause();
    this.run = this.runs[at];
    this.buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === at)));
    $("#about").textContent = this.run.text;
    this.slider.max = this.run.frames.length - 1;
    this.view.state({ ...this.run.state, history: [] });
    this.go(0);
  }

  /** Show a frame; the curves end with it. */
  go(at) {
    this.at = at;
    this.slider.value = at;
    const { frames } = this.run;
    this.slider.setAttribute("aria-valuetext", `epoch ${frames[at].epoch}`);
    this.view.history(frames.slice(0, at).map((f) => [f.epoch, f.train_loss, f.test_loss]));
    this.view.frame(frames[at]);
  }

  get isAtEnd() {
    return this.at >= this.run.frames.length - 1;
  }

  play() {
    if (this.timer) return this.pause();
    if (this.isAtEnd) this.go(0);
    this.timer = setInterval(() => (this.isAtEnd ? this.pause() : this.go(this.at + 1)), FRAME_MS);
    return this.view.playing(true);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.view.playing(false);
  }

  step() {
    this.pause();
    if (!this.isAtEnd) this.go(this.at + 1);
  }

  reset() {
    this.pause();
    this.go(0);
  }

  edit() {
    this.change();
  }

  change() {
    this.view.trouble({ what: "This run is recorded.", fix: "Run symfuse play to change it." });
  }
}

async function inflate(packed) {
  const stream = new Blob([bytes(packed)]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream("deflate"))).json();
}
