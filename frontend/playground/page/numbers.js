// The numbers of one neuron: its bias and the weights of its inputs, to read and to set.

import { $, el } from "./dom.js";

export class NumbersView {
  /** `edit(number)` is called with one that somebody has set. */
  constructor(edit) {
    this.edit = edit;
    this.box = $("#numbers");
    this.place = null;
    this.box.onsubmit = (event) => event.preventDefault();
    this.box.onkeydown = (event) => this.key(event);
    $("button", this.box).onclick = () => this.close();
  }

  /** Show those of a neuron of a layer; `inputs` are the names of what it reads. */
  open(place, title, inputs, source = null) {
    this.place = place;
    $("h3", this.box).textContent = title;
    this.bias = this.field("bias", null);
    this.weights = inputs.map((name, at) => this.field(`weight of ${name}`, at));
    const fields = [this.bias, ...this.weights];
    $(".fields", this.box).replaceChildren(...fields.map((input) => input.parentElement));
    this.box.hidden = false;
    if (this.frame) this.draw(this.frame);
    (this.weights[source] ?? this.bias).focus();
  }

  /** Enter takes a number over by leaving its field, to which it comes back. */
  key(event) {
    if (event.key === "Escape") this.close();
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.target.blur();
    event.target.focus();
  }

  close() {
    this.box.hidden = true;
    this.place = null;
  }

  field(name, source) {
    const input = el("input", { type: "number", step: "any" });
    el("label", {}, el("span", {}, name), input);
    input.onchange = () => {
      const value = input.valueAsNumber;
      if (Number.isFinite(value)) this.edit({ ...this.place, source, value });
      else this.draw(this.frame, true);
    };
    return input;
  }

  /** The numbers of a frame; one that is being written stays as it is. */
  draw(frame, isWhole = false) {
    this.frame = frame;
    if (!this.place) return;
    const { layer, neuron } = this.place;
    const show = (input, value) => {
      if (isWhole || input !== document.activeElement) input.value = value ?? "";
    };
    show(this.bias, frame.biases[layer]?.[neuron]);
    this.weights.forEach((input, at) => show(input, frame.weights[layer]?.[at]?.[neuron]));
  }
}
