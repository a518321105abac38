// The drawing: features, neurons with their responses, and weights as lines.

import { $, el, formula, levels, short } from "./dom.js";
import { colour, fill } from "./colours.js";

const NODE = 40;
const PITCH = 52;
const TOP = 48;
const LEFT = 62;
const APART = 92; // the least distance between two columns
const NEAR = 9; // pixels from a line that count as on it
const SVG = "http://www.w3.org/2000/svg";

export class NetworkView {
  /** `change(fields)` is for buttons; `look(shown)` for the neuron that is pointed at, or null;
   *  `numbers` shows those of the neuron that is clicked. */
  constructor(facts, change, look, numbers) {
    this.facts = facts;
    this.change = change;
    this.look = look;
    this.numbers = numbers;
    this.names = Object.keys(facts.features);
    this.box = $("#drawing");
    this.lines = $("svg", this.box);
    this.settings = null;
    this.box.onclick = (event) => this.pick(event);
    new ResizeObserver(() => this.place()).observe(this.box.parentElement);
  }

  show(settings) {
    const shape = JSON.stringify([settings.layers, settings.features]);
    const isNew = shape !== this.shape;
    this.settings = settings;
    this.shape = shape;
    if (isNew) this.build();
  }

  /** Features that are selected, in their usual order: those that have weights. */
  get selected() {
    return this.names.filter((name) => this.settings.features.includes(name));
  }

  build() {
    const focused = document.activeElement?.dataset?.key;
    this.numbers.close();
    this.box.replaceChildren(this.lines);
    this.features = this.names.map((name) => this.feature(name));
    this.layers = this.settings.layers.map((size, layer) =>
      Array.from({ length: size }, (_, at) => this.neuron(layer, at)),
    );
    this.heads = this.settings.layers.map((size, layer) => this.head(size, layer));
    this.result = this.node("button", "The output", null);
    this.result.dataset.key = "output";
    this.result.onclick = () => this.open(this.settings.layers.length, 0);
    this.box.append(...this.features, ...this.layers.flat(), ...this.heads, this.result);
    this.depth();
    this.makeLines();
    this.paint();
    this.place();
    if (focused) $(`[data-key="${focused}"]`)?.focus();
  }

  node(kind, label, shown) {
    const canvas = el("canvas", { width: 32, height: 32, "aria-hidden": "true" });
    const made = el(kind, { type: "button", className: "node", "aria-label": label }, canvas);
    for (const event of ["pointerenter", "focus"]) made.addEventListener(event, () => this.look(shown));
    for (const event of ["pointerleave", "blur"]) made.addEventListener(event, () => this.look(null));
    return made;
  }

  feature(name) {
    const isOn = this.settings.features.includes(name);
    const made = this.node("button", `feature ${name}`, { feature: name });
    made.classList.add("feature");
    made.setAttribute("aria-pressed", String(isOn));
    made.dataset.key = name;
    made.append(el("span", {}, formula(name)));
    made.onclick = () => {
      const { features } = this.settings;
      const others = features.filter((other) => other !== name);
      this.change({ features: features.includes(name) ? others : [...features, name] });
    };
    return made;
  }

  neuron(layer, at) {
    const first = this.settings.layers.slice(0, layer).reduce((sum, size) => sum + size, 0);
    const label = `layer ${layer + 1}, neuron ${at + 1}`;
    const made = this.node("button", label, { neuron: first + at, label });
    made.append(el("i", { className: "bias" }));
    made.onclick = () => this.open(layer, at);
    made.dataset.key = `${layer}.${at}`;
    return made;
  }

  head(size, layer) {
    const { minimum, maximum } = this.facts.fields.layers.items;
    const set = (next) => {
      this.change({ layers: this.settings.layers.map((old, at) => (at === layer ? next : old)) });
    };
    const what = `of layer ${layer + 1}`;
    return stepper(size, minimum, maximum, set, `neurons ${what}`, `n${layer}`);
  }

  depth() {
    const { layers } = this.settings;
    const set = (next) => {
      const last = layers.at(-1) ?? 4;
      this.change({ layers: next < layers.length ? layers.slice(0, next) : [...layers, last] });
    };
    const made = stepper(layers.length, 0, this.facts.fields.layers.maxItems, set, "hidden layers", "d");
    made.append(el("span", {}, layers.length === 1 ? "hidden layer" : "hidden layers"));
    $("#depth").replaceChildren(...made.children);
  }

  /** Show the numbers of a neuron, ready to set the weight of one of its inputs, or its bias. */
  open(layer, neuron, source = null) {
    const { layers } = this.settings;
    const title = layer < layers.length ? `Layer ${layer + 1}, neuron ${neuron + 1}` : "The output";
    const inputs = layer ? this.layers[layer - 1].map((_, at) => `neuron ${at + 1}`) : this.selected;
    this.numbers.open({ layer, neuron }, title, inputs.map(formula), source);
  }

  /** A click beside all nodes is for the nearest line. */
  pick(event) {
    if (event.target !== this.box) return;
    const { left, top } = this.box.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    let nearest = { far: NEAR };
    this.paths.forEach((sources, layer) =>
      sources.forEach((targets, source) =>
        targets.forEach((_, neuron) => {
          const ends = [this.columns[layer][source], this.columns[layer + 1][neuron]];
          const far = distance(x, y, ...ends);
          if (far < nearest.far) nearest = { far, layer, neuron, source };
        }),
      ),
    );
    if (nearest.far < NEAR) this.open(nearest.layer, nearest.neuron, nearest.source);
  }

  /** The nodes of each column between which weights are. */
  get columns() {
    const inputs = this.features.filter((node) => node.ariaPressed === "true");
    return [inputs, ...this.layers, [this.result]];
  }

  makeLines() {
    const { columns } = this;
    this.paths = columns.slice(1).map((targets, at) =>
      columns[at].map(() => targets.map(() => document.createElementNS(SVG, "path"))),
    );
    this.lines.replaceChildren(...this.paths.flat(2));
  }

  /** Positions, from the width that there is. */
  place() {
    if (!this.settings) return;
    const { length } = this.settings.layers;
    const least = LEFT + NODE + (length + 1) * APART;
    const width = Math.max(least, this.box.parentElement.clientWidth - 12);
    const apart = (width - LEFT - NODE) / (length + 1);
    const rows = Math.max(7, ...this.settings.layers);
    const height = TOP + rows * PITCH;
    Object.assign(this.box.style, { width: `${width}px`, height: `${height}px` });
    this.lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const middle = TOP + (rows * PITCH) / 2;
    put(this.features, LEFT, middle);
    this.layers.forEach((nodes, at) => put(nodes, LEFT + (at + 1) * apart, middle));
    put([this.result], LEFT + (length + 1) * apart, middle);
    this.heads.forEach((head, at) => {
      head.style.left = `${LEFT + (at + 1) * apart + NODE / 2}px`;
    });
    this.paths.forEach((sources, at) =>
      sources.forEach((targets, from) =>
        targets.forEach((path, to) => {
          path.setAttribute("d", curve(this.columns[at][from], this.columns[at + 1][to]));
        }),
      ),
    );
  }

  paint() {
    if (!this.settings) return;
    for (const node of this.features) {
      fill($("canvas", node), levels(this.facts.features[node.dataset.key]), this.facts.size / 2);
    }
    if (this.frame) this.draw(this.frame);
  }

  /** A frame: maps into nodes, weights into lines. */
  draw(frame) {
    this.frame = frame;
    this.numbers.draw(frame);
    const half = this.facts.size / 2;
    const maps = levels(frame.neurons);
    const nodes = this.layers.flat();
    if (maps.length !== nodes.length * half * half) return; // of another network, just replaced
    nodes.forEach((node, at) => {
      fill($("canvas", node), maps.subarray(at * half * half, (at + 1) * half * half), half);
    });
    fill($("canvas", this.result), levels(frame.output), this.facts.size);
    this.layers.forEach((layer, at) => layer.forEach((node, k) => bias(node, frame.biases[at][k])));
    this.paths.forEach((sources, at) =>
      sources.forEach((targets, from) =>
        targets.forEach((path, to) => weigh(path, frame.weights[at]?.[from]?.[to] ?? 0)),
      ),
    );
  }
}

function put(nodes, left, middle) {
  nodes.forEach((node, at) => {
    const top = middle + (at - nodes.length / 2) * PITCH + (PITCH - NODE) / 2;
    Object.assign(node.style, { left: `${left}px`, top: `${top}px` });
    Object.assign(node, { x: left, y: top + NODE / 2 });
  });
}

/** Of a point from the line between two nodes. */
function distance(x, y, from, to) {
  const [start, end] = [from.x + NODE, to.x];
  if (x < start || x > end) return Infinity;
  const at = (x - start) / (end - start);
  let [low, high] = [0, 1];
  for (let turn = 0; turn < 20; turn++) {
    const t = (low + high) / 2; // of the curve, whose way across is 1.5 t (1 - t) + t³
    if (1.5 * t * (1 - t) + t ** 3 < at) low = t;
    else high = t;
  }
  return Math.abs(y - from.y - (to.y - from.y) * low * low * (3 - 2 * low));
}

function curve(from, to) {
  const [start, end] = [from.x + NODE, to.x];
  const middle = (start + end) / 2;
  return `M${start} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${end} ${to.y}`;
}

function weigh(path, weight) {
  const size = Math.abs(weight);
  path.style.stroke = colour(Math.sign(weight));
  path.style.strokeWidth = Math.min(7, 0.6 + 2.2 * Math.sqrt(size));
  path.style.opacity = Math.min(0.95, 0.18 + 0.55 * Math.sqrt(size));
}

function bias(node, value) {
  const mark = $(".bias", node);
  mark.style.background = colour(value);
  node.title = `${node.ariaLabel}, bias ${short(value)}`;
}

function stepper(value, least, most, set, what, key) {
  const less = el("button", { type: "button", "aria-label": `fewer ${what}` }, "−");
  const more = el("button", { type: "button", "aria-label": `more ${what}` }, "+");
  Object.assign(less, { disabled: value <= least, onclick: () => set(value - 1) });
  Object.assign(more, { disabled: value >= most, onclick: () => set(value + 1) });
  less.dataset.key = `${key}-`;
  more.dataset.key = `${key}+`;
  return el("div", { className: "stepper head-of-layer" }, less, el("b", {}, value), more);
}
