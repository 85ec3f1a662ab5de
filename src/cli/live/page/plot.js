// The drawing of a strip: bars on both sides of the cut, the needle, marks, ticks, and the curves that labels give. It has no say in what
// the dial does: strip.js turns, this draws.

import { setAttributes, setText, shape } from "./dom.js";
import { number } from "./format.js";
import { bandPath, bars, fit, heights, linePath, outline, spikes, ticks, within, zoomed } from "./histogram.js";

export const BUCKETS = 4096;
// Left and right of the bars: half of the needle's grip must be seen at both ends.
const SIDE = 8;
const TOP = 13;
const UNDER = 25;

let plots = 0;

export class Plot {
  constructor(high) {
    plots += 1;
    const [passId, heldId] = [`pass-${plots}`, `held-${plots}`];
    this.high = high;
    this.width = 0;
    this.histogram = null;
    this.view = null;
    this.isFitted = true;
    this.curves = null;
    const clip = () => shape("rect", { y: 0, height: high, width: 0 });
    this.passClip = clip();
    this.heldClip = clip();
    this.paths = { pass: [shape("path", { class: "pale" }), shape("path")], held: [shape("path", { class: "pale" }), shape("path")] };
    this.gaps = shape("g", { class: "gaps" });
    this.none = shape("text", { class: "none", y: this.baseY - 12, "text-anchor": "middle" });
    this.axis = shape("g", { class: "axis" });
    this.base = shape("line", { class: "base" });
    this.overlay = shape("g", { class: "curves" });
    this.marks = shape("g", { class: "marks" });
    this.needle = shape("g", { class: "needle" }, shape("line", {}), shape("path", {}), shape("text", { y: 9.5 }));
    this.bars = shape(
      "g",
      { class: "bars", transform: `translate(${SIDE} 0)` },
      shape("g", { class: "held", "clip-path": `url(#${heldId})` }, this.paths.held),
      shape("g", { class: "pass", "clip-path": `url(#${passId})` }, this.paths.pass),
      this.gaps,
    );
    this.svg = shape(
      "svg",
      { class: "histogram", height: high, "aria-hidden": "true", focusable: "false" },
      shape("defs", {}, shape("clipPath", { id: passId }, this.passClip), shape("clipPath", { id: heldId }, this.heldClip)),
      this.bars,
      this.none,
      this.overlay,
      this.base,
      this.axis,
      this.marks,
      this.needle,
    );
  }

  get baseY() {
    return this.high - UNDER;
  }

  get field() {
    return Math.max(this.width - 2 * SIDE, 1);
  }

  resize(width) {
    if (Math.abs(width - this.width) < 0.5) return;
    this.width = width;
    this.svg.setAttribute("width", width);
    this.drawBars();
  }

  // What reaches the gate, as `/api/histogram` gives it. `at`: where the dial stands.
  take(histogram, at) {
    this.histogram = histogram;
    const used = [histogram.buckets.findIndex((rows) => rows > 0), histogram.buckets.findLastIndex((rows) => rows > 0)].join(" ");
    const bucket = this.bucketOf(at);
    // A drawing that is moved after each turn could not be read: only where it has to be.
    const fits = this.view && used === this.used && bucket >= this.view[0] && bucket <= this.view[1];
    this.used = used;
    if (!this.view || (this.isFitted && !fits)) this.fit(at);
  }

  fit(at) {
    this.isFitted = true;
    this.own = fit(this.histogram.buckets, this.bucketOf(at));
    this.view = this.own;
  }

  // Small multiples are compared: all show one part of the scale, which is what all of them need together. Gives those that moved.
  static align(plots) {
    const fitted = plots.filter((plot) => plot.histogram && plot.isFitted);
    const from = Math.min(...fitted.map((plot) => plot.own[0]));
    const to = Math.max(...fitted.map((plot) => plot.own[1]));
    const moved = fitted.filter((plot) => plot.view[0] !== from || plot.view[1] !== to);
    for (const plot of moved) plot.view = [from, to];
    return moved;
  }

  zoom(times, x) {
    const at = x === undefined ? (this.view[0] + this.view[1]) / 2 : this.bucketAt(x);
    this.view = zoomed(this.view, at, times, BUCKETS);
    this.isFitted = false;
  }

  pan(pixels) {
    const by = (pixels / this.field) * (this.view[1] - this.view[0]);
    this.view = within(this.view[0] + by, this.view[1] + by, BUCKETS);
    this.isFitted = false;
  }

  // Moves the part that is shown so far that the value is in it. True where it had to.
  reveal(value) {
    const bucket = this.bucketOf(value);
    const [from, to] = this.view;
    if (bucket >= from && bucket <= to) return false;
    const by = bucket < from ? bucket - from - 0.1 * (to - from) : bucket - to + 0.1 * (to - from);
    this.view = within(from + by, to + by, BUCKETS);
    this.isFitted = false;
    return true;
  }

  bucketOf(value) {
    const { low, high } = this.histogram;
    return ((value - low) / (high - low)) * BUCKETS;
  }

  valueOf(bucket) {
    const { low, high } = this.histogram;
    return low + (bucket / BUCKETS) * (high - low);
  }

  bucketAt(x) {
    return this.view[0] + ((x - SIDE) / this.field) * (this.view[1] - this.view[0]);
  }

  valueAt(x) {
    return this.valueOf(this.bucketAt(x));
  }

  xOf(value) {
    const [from, to] = this.view;
    return SIDE + ((this.bucketOf(value) - from) / (to - from)) * this.field;
  }

  // How much of the scale one pixel is.
  get perPixel() {
    return (this.valueOf(this.view[1]) - this.valueOf(this.view[0])) / this.field;
  }

  drawBars(logarithmic = this.logarithmic) {
    this.logarithmic = logarithmic;
    if (!this.histogram || this.width === 0) return;
    this.drawn = bars(this.histogram.buckets, this.view, this.field);
    this.none.setAttribute("x", this.width / 2);
    setText(this.none, this.used === "-1 -1" ? "no scores come here" : "");
    const { heightOf, isCut } = heights(this.drawn, this.baseY - TOP, logarithmic);
    const pale = outline(spikes(this.drawn), (bar) => bar.most, heightOf, this.baseY, this.field);
    this.gaps.replaceChildren(
      ...this.drawn.filter(isCut).map((bar) => {
        const middle = Math.min(Math.max((bar.left + bar.right) / 2, 0), this.field);
        return shape("path", { d: `M${middle - 5} ${TOP + 9}l10 -4` }, shape("title", {}, "higher than the drawing"));
      }),
    );
    const full = outline(this.drawn, (bar) => bar.mean, heightOf, this.baseY, this.field);
    for (const [paleOf, fullOf] of Object.values(this.paths)) {
      paleOf.setAttribute("d", pale);
      fullOf.setAttribute("d", full);
    }
    this.drawAxis();
    this.drawCurves();
  }

  drawAxis() {
    const [low, high] = this.view.map((bucket) => this.valueOf(bucket));
    setAttributes(this.base, { x1: SIDE, x2: this.width - SIDE, y1: this.baseY + 0.5, y2: this.baseY + 0.5 });
    const y = this.baseY;
    const made = ticks(low, high, this.field / 64).map(({ value, text }) => {
      const x = this.xOf(value);
      const anchor = x < 20 ? "start" : x > this.width - 20 ? "end" : "middle";
      const at = anchor === "start" ? Math.max(x - 6, 1) : anchor === "end" ? Math.min(x + 6, this.width - 1) : x;
      return [shape("line", { x1: x, x2: x, y1: y, y2: y + 3 }), shape("text", { x: at, y: this.high - 2, "text-anchor": anchor }, text)];
    });
    this.axis.replaceChildren(...made.flat());
  }

  // The needle and both sides. Called for every turn, so it changes attributes and makes nothing.
  drawDial({ value, stands = value, comparison, pass, default: standard, published }) {
    if (!this.histogram || this.width === 0) return;
    const x = this.xOf(value);
    const at = value === stands ? this.cutOf(value, comparison, pass) : x - SIDE;
    const cut = Math.min(Math.max(at, 0), this.field);
    const [left, right] = [
      { x: 0, width: cut },
      { x: cut, width: this.field - cut },
    ];
    const abovePasses = comparison.startsWith(">");
    setAttributes(this.passClip, abovePasses ? right : left);
    setAttributes(this.heldClip, abovePasses ? left : right);
    this.drawNeedle(x, `${comparison} ${number(value)}`);
    this.drawMarks(standard, published);
    return x;
  }

  // Where the bars change sides, in pixels: within the bar that the dial is in, by how many of its rows pass. All of them may score the same.
  cutOf(value, comparison, pass) {
    const bucket = Math.min(Math.max(Math.floor(this.bucketOf(value) + 1e-6), 0), BUCKETS - 1);
    const bar = this.drawn?.find(({ start, end }) => start <= bucket && bucket < end);
    if (!bar?.rows) return this.xOf(value) - SIDE;
    const { buckets } = this.histogram;
    const abovePasses = comparison.startsWith(">");
    const beyond = abovePasses ? buckets.slice(bar.end) : buckets.slice(0, Math.max(bar.start, 0));
    const share = (pass - beyond.reduce((sum, rows) => sum + rows, 0)) / bar.rows;
    const passing = Math.min(Math.max(share, 0), 1) * (bar.right - bar.left);
    return abovePasses ? bar.right - passing : bar.left + passing;
  }

  drawNeedle(x, words) {
    const [line, grip, text] = this.needle.children;
    const beyond = x < SIDE - 1 ? -1 : x > this.width - SIDE + 1 ? 1 : 0;
    const at = Math.min(Math.max(x, SIDE), this.width - SIDE);
    setAttributes(this.needle, { transform: `translate(${at.toFixed(1)} 0)`, class: beyond ? "needle beyond" : "needle" });
    setAttributes(line, { y1: TOP, y2: this.baseY + 3 });
    // A tag that points down at its line; an arrow where the dial stands beyond the edge.
    const tag = "M-5 2.5h10v7l-5 5l-5 -5z";
    setAttributes(grip, { d: beyond < 0 ? "M-6 8l7 -5v10z" : beyond > 0 ? "M6 8l-7 -5v10z" : tag });
    const toLeft = at > this.width - 80;
    setAttributes(text, { x: toLeft ? -9 : 9, "text-anchor": toLeft ? "end" : "start" });
    setText(text, words);
  }

  drawMarks(standard, published) {
    const key = `${standard} ${published} ${this.view} ${this.width}`;
    if (key === this.marksKey) return;
    this.marksKey = key;
    const mark = (value, name, path, title = name) => {
      const x = value === null || value === undefined ? NaN : this.xOf(value);
      if (!(x >= SIDE - 1 && x <= this.width - SIDE + 1)) return [];
      return [
        shape(
          "g",
          { class: name, transform: `translate(${x.toFixed(1)} ${this.baseY + 1})` },
          shape("title", {}, `${title}: ${number(value)}`),
          shape("path", { d: path }),
        ),
      ];
    };
    // Where both are at one place, published stands for both.
    const isApart = published === null || published === undefined || Math.abs(this.xOf(standard) - this.xOf(published)) > 5;
    this.marks.replaceChildren(
      ...(isApart ? mark(standard, "default", "M0 0l5 8h-10z") : []),
      ...mark(published, "published", "M0 1l4 4l-4 4l-4 -4z", isApart ? "published" : "published, and the default"),
    );
  }

  // Precision and recall with their bands, from 0 at the base line to 1 at the top; null takes them away.
  takeCurves(curves) {
    this.curves = curves;
    this.drawCurves();
  }

  drawCurves() {
    // Lines are read over pale bars.
    this.svg.classList.toggle("under-curves", Boolean(this.curves));
    if (!this.curves || !this.histogram || this.width === 0) {
      this.overlay.replaceChildren();
      return;
    }
    const y = (share) => (share === null ? NaN : this.baseY - share * (this.baseY - TOP));
    const inView = this.curves.filter(({ value }) => {
      const x = this.xOf(value);
      return x >= SIDE && x <= this.width - SIDE;
    });
    const curve = (name, middle, low, high) => [
      shape("path", { class: `${name} band`, d: bandPath(inView.map((at) => [this.xOf(at.value), y(at[low]), y(at[high])])) }),
      shape("path", { class: `${name} line`, d: linePath(inView.map((at) => [this.xOf(at.value), y(at[middle])])) }),
    ];
    this.overlay.replaceChildren(
      ...curve("recall", "recall", "recall_low", "recall_high"),
      ...curve("precision", "precision", "low", "high"),
    );
  }

  // The bar under a place of the drawing; null where there is none.
  barAt(x) {
    if (!this.histogram || !this.drawn) return null;
    const bucket = this.bucketAt(x);
    return this.drawn.find((bar) => bucket >= bar.start && bucket < bar.end) ?? null;
  }
}
