// Values between −1 and 1 as colours: one hue below zero, one above, the paper between.

import { style } from "./dom.js";

const PALE = 0.7; // of fields, so that points stand out on them
let ramp = [];
let ends = [];

/** Read the colours of the theme; to be called again when it changes. */
export function readColours() {
  ends = ["--low", "--zero", "--high"].map((name) => channels(style(name)));
  ramp = Array.from({ length: 255 }, (_, at) => mixed((at - 127) / 127, PALE));
}

/** The full colour of a value between −1 and 1, for points and lines. */
export function colour(value) {
  return `rgb(${mixed(Math.max(-1, Math.min(1, value)), 1).join(" ")})`;
}

/** A picture of size² levels, from −127 to 127, by rows from the top. */
export function picture(values, size) {
  const data = new ImageData(size, values.length / size);
  values.forEach((value, at) => {
    data.data.set(ramp[Math.max(-127, value) + 127], 4 * at);
    data.data[4 * at + 3] = 255;
  });
  const canvas = new OffscreenCanvas(data.width, data.height);
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

/** Fill a canvas with a picture. */
export function fill(canvas, values, size) {
  const pen = canvas.getContext("2d");
  pen.drawImage(picture(values, size), 0, 0, canvas.width, canvas.height);
}

function mixed(value, most) {
  const [low, middle, high] = ends;
  const share = most * Math.abs(value) ** 0.8;
  return middle.map((from, k) => Math.round(from + share * ((value < 0 ? low : high)[k] - from)));
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
