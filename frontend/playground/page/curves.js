// The curves of the losses over the epochs.

import { $, sharp, short, style } from "./dom.js";

const MOST = 1000;

export class CurvesView {
  constructor() {
    this.canvas = $("#curves");
    this.points = [];
    new ResizeObserver(() => this.paint()).observe(this.canvas);
  }

  /** Curves of a run that has been going on, or [] for one that begins. */
  begin(history) {
    this.points = [...history];
  }

  draw(frame, problem) {
    $("#train-loss").textContent = short(frame.train_loss);
    $("#test-loss").textContent = short(frame.test_loss);
    const isClasses = problem === "classification";
    $("#score-name").textContent = isClasses ? "Accuracy, test" : "R², test";
    const score = frame.test_accuracy;
    $("#score").textContent = isClasses ? `${(100 * score).toFixed(1)} %` : short(score);
    this.add([frame.epoch, frame.train_loss, frame.test_loss]);
    this.paint();
  }

  add(point) {
    const last = this.points.at(-1);
    if (last && last[0] >= point[0]) return;
    this.points.push(point);
    if (this.points.length > MOST) this.points = this.points.filter((_, at) => at % 2 === 0);
  }

  paint() {
    if (!this.canvas.clientWidth) return;
    const { pen, width, height } = sharp(this.canvas);
    const [left, right, top, low] = [34, width - 6, 8, height - 18];
    const finite = this.points.flatMap((point) => point.slice(1)).filter(Number.isFinite);
    const most = Math.max(0.05, ...finite) * 1.05;
    const end = Math.max(1, this.points.at(-1)?.[0] ?? 1);
    const x = (epoch) => left + ((right - left) * epoch) / end;
    const y = (loss) => low - ((low - top) * Math.min(loss, most)) / most;
    grid(pen, { left, right, low, most, end, x, y });
    line(pen, this.points, 2, x, y, style("--test"));
    line(pen, this.points, 1, x, y, style("--train"));
  }
}

function grid(pen, { left, right, low, most, end, x, y }) {
  pen.font = "10.5px system-ui, sans-serif";
  pen.fillStyle = style("--soft");
  pen.strokeStyle = style("--line");
  pen.lineWidth = 1;
  for (const mark of marks(most, 3)) {
    pen.beginPath();
    pen.moveTo(left, y(mark));
    pen.lineTo(right, y(mark));
    pen.stroke();
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(String(mark), left - 6, y(mark));
  }
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  for (const mark of marks(end, 4)) {
    if (x(mark) < right - 12) pen.fillText(String(mark), x(mark), low + 14);
  }
}

/** Round numbers from 0 to below the end, about as many as wanted. */
function marks(end, wanted) {
  const rough = end / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * unit >= rough) * unit;
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const found = [];
  for (let mark = 0; mark < end; mark += step) found.push(Number(mark.toFixed(digits)));
  return found;
}

function line(pen, points, which, x, y, ink) {
  pen.beginPath();
  let isDown = false;
  for (const point of points) {
    if (!Number.isFinite(point[which])) isDown = false;
    else if (isDown) pen.lineTo(x(point[0]), y(point[which]));
    else {
      pen.moveTo(x(point[0]), y(point[which]));
      isDown = true;
    }
  }
  pen.strokeStyle = ink;
  pen.lineWidth = 1.8;
  pen.lineJoin = "round";
  pen.stroke();
}
