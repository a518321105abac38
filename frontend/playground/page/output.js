// The large picture: the output over the plane, or the neuron that is pointed at, and the points.

import { $, levels, sharp, style } from "./dom.js";
import { colour, picture } from "./colours.js";

export class OutputView {
  constructor(facts) {
    this.facts = facts;
    this.canvas = $("#output");
    this.tests = $("#tests");
    this.looking = null;
    this.tests.onchange = () => this.paint();
    new ResizeObserver(() => this.paint()).observe(this.canvas);
  }

  show(state) {
    this.state = state;
  }

  draw(frame) {
    this.frame = frame;
    this.paint();
  }

  /** A feature, a neuron, or null for the output. */
  look(shown) {
    this.looking = shown;
    $("#showing").textContent = shown ? (shown.label ?? `feature ${shown.feature}`) : "";
    this.paint();
  }

  paint() {
    if (!this.frame || !this.state || !this.canvas.clientWidth) return;
    const { pen, width, height } = sharp(this.canvas);
    const [values, size] = this.values();
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture(values, size), 0, 0, width, height);
    if (!this.looking) this.boundary(pen, values, size, width);
    this.points(pen, this.state.train, width, false);
    if (this.tests.checked) this.points(pen, this.state.test, width, true);
    axes(pen, width, height, this.facts.limit);
    this.canvas.dataset.epoch = this.frame.epoch;
  }

  values() {
    const half = this.facts.size / 2;
    if (this.looking?.feature) return [levels(this.facts.features[this.looking.feature]), half];
    if (this.looking) {
      const start = this.looking.neuron * half * half;
      const maps = levels(this.frame.neurons);
      if (start < maps.length) return [maps.subarray(start, start + half * half), half];
    }
    return [levels(this.frame.output), this.facts.size];
  }

  /** Where the output is zero: a line through the cells whose corners differ in sign. */
  boundary(pen, values, size, width) {
    const cell = width / size;
    pen.beginPath();
    for (let row = 0; row < size - 1; row += 1) {
      for (let column = 0; column < size - 1; column += 1) {
        const at = row * size + column;
        const ends = crossings(values[at], values[at + 1], values[at + size], values[at + size + 1]);
        for (let k = 0; k + 1 < ends.length; k += 2) {
          pen.moveTo((column + 0.5 + ends[k][0]) * cell, (row + 0.5 + ends[k][1]) * cell);
          pen.lineTo((column + 0.5 + ends[k + 1][0]) * cell, (row + 0.5 + ends[k + 1][1]) * cell);
        }
      }
    }
    pen.lineWidth = 1.6;
    pen.strokeStyle = style("--boundary");
    pen.stroke();
  }

  points(pen, points, width, isTest) {
    const { limit } = this.facts;
    const isSoft = this.state.problem === "regression";
    const edge = style(isTest ? "--ink" : isSoft ? "--soft" : "--paper");
    pen.lineWidth = isTest ? 1.1 : 1;
    for (const [x, y, target] of points) {
      if (Math.max(Math.abs(x), Math.abs(y)) > limit) continue;
      pen.beginPath();
      pen.arc((width * (x + limit)) / (2 * limit), (width * (limit - y)) / (2 * limit), 3.4, 0, 7);
      pen.fillStyle = colour(target);
      pen.fill();
      pen.strokeStyle = edge;
      pen.stroke();
    }
  }
}

/** Points on the edges of a cell, two for each piece of the line; corners by rows. */
function crossings(a, b, c, d) {
  const found = [];
  if (a < 0 !== b < 0) found.push([a / (a - b), 0]);
  if (a < 0 !== c < 0) found.push([0, a / (a - c)]);
  if (b < 0 !== d < 0) found.push([1, b / (b - d)]);
  if (c < 0 !== d < 0) found.push([c / (c - d), 1]);
  return found;
}

function axes(pen, width, height, limit) {
  pen.fillStyle = style("--axes");
  pen.font = "10.5px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  pen.strokeStyle = style("--paper");
  for (const mark of [-4, -2, 0, 2, 4]) {
    const place = (width * (mark + limit)) / (2 * limit);
    const text = String(mark).replace("-", "−");
    write(pen, text, place, height - 10);
    if (mark !== 0) write(pen, text, 11, height - place);
  }
}

/** Text with a rim, legible on points as well. */
function write(pen, text, x, y) {
  pen.globalAlpha = 0.55;
  pen.strokeText(text, x, y);
  pen.globalAlpha = 1;
  pen.fillText(text, x, y);
}
