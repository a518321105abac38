// Small helpers for elements, numbers and packed pictures.

export function $(selector, root = document) {
  return root.querySelector(selector);
}

/** An element with properties, attributes (names with a dash, or `role`), and children. */
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Signed bytes from base64. */
export function levels(text) {
  return Int8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Bytes from base64. */
export function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** A number with as many digits as are of use. */
export function short(value) {
  if (value === null || value === undefined) return "no number";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000 || size < 0.001) return value.toExponential(2);
  return value.toFixed(size < 10 ? 3 : 1);
}

/** 1 234 567 as 1.23 M. */
export function count(value) {
  for (const [unit, size] of [["M", 1e6], ["k", 1e3]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return value.toFixed(0);
}

/** Bytes as people read them. */
export function memory(value) {
  return value < 1024 ? `${value} B` : `${(value / 1024).toPrecision(3)} KiB`;
}

/** x1² with the index of the coordinate set low. */
export function formula(name) {
  return name.replace(/x(\d)/g, (_, digit) => `x${"₀₁₂"[digit]}`);
}

/** The value of a custom property of the style sheet. */
export function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A canvas as sharp as the screen, and its size in the units of the style sheet. */
export function sharp(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}
