// One dial: its numbers, each of which can be written over, and its drawing, whose needle is turned by mouse, touch and keys.

import { element, refill, setAttributes, setText } from "./dom.js";
import { count, counted, digitsOf, number, percent, roundStep, setting, shareText } from "./format.js";
import { BUCKETS, Plot } from "./plot.js";
import { Pointer } from "./pointer.js";
import { state } from "./state.js";
import { newGesture, turn, underWay } from "./turns.js";

const HIGH = 84;
// Keys in a row within so many milliseconds are one step of undo.
const KEYS_TOGETHER = 1000;

export class Strip {
  // `isLog` tells how high bars are drawn now.
  constructor(dial, isLog) {
    this.dial = dial;
    this.isLog = isLog;
    this.plot = new Plot(HIGH);
    this.lastKey = -Infinity;
    const field = (what, label) => this.field(what, label);
    this.value = field("value", "threshold");
    this.share = field("share", "share that passes, in percent");
    this.rows = field("rows", "number that passes");
    this.sign = element("span", { class: "strip-sign" }, dial.comparison);
    this.reach = element("span");
    this.held = element("span", { class: "strip-held" }, element("span"), element("span", { class: "wide" }));
    this.error = element("p", { class: "strip-error", role: "alert", hidden: true });
    this.reset = element(
      "button",
      {
        class: "quiet reset",
        hidden: true,
        title: "back to the default",
        "aria-label": `${dial.name}: back to the default`,
        on: { click: () => this.set(setting(this.dial.default)) },
      },
      "↺",
    );
    this.handle = element("div", {
      class: "handle",
      role: "slider",
      tabindex: dial.open ? null : 0,
      "aria-label": `${dial.name}, ${dial.about}`,
      "aria-valuemin": dial.low,
      "aria-valuemax": dial.high,
      on: { keydown: (event) => this.key(event) },
    });
    this.readout = element("div", { class: "readout", hidden: true });
    this.whole = element(
      "button",
      { class: "quiet whole", hidden: true, title: "Shows the whole again (0, double click)", on: { click: () => this.unzoom() } },
      "whole",
    );
    this.canvas = element("div", { class: "plot" }, this.plot.svg, this.handle, this.readout, this.whole);
    const name = dial.group === null ? dial.name : dial.group;
    this.root = element(
      "section",
      { class: dial.open ? "strip open" : "strip", "aria-label": dial.name, on: { focusin: () => state.focusOn(dial.name) } },
      element(
        "div",
        { class: "strip-head" },
        element("h3", { class: "strip-name", title: `${dial.name}: ${dial.about} (${dial.unit})` }, name),
        element("span", { class: "strip-value" }, this.sign, this.value, this.reset),
        element("span", { class: "strip-passes" }, this.share, "% = ", this.rows, this.reach, element("span", { class: "wide" }, " pass")),
        dial.open ? element("span", { class: "why-open" }, "open: its score is absent, so it holds nothing back") : this.held,
      ),
      dial.open ? null : this.canvas,
      this.error,
    );
    if (dial.open) {
      this.update(dial);
      return;
    }
    this.pointer = new Pointer(this);
    new ResizeObserver(([{ contentRect }]) => this.resize(contentRect.width)).observe(this.canvas);
    this.update(dial);
  }

  field(what, label) {
    const input = element("input", {
      type: "text",
      inputmode: what === "value" ? "text" : "decimal",
      class: `field ${what}`,
      spellcheck: "false",
      autocomplete: "off",
      disabled: this.dial.open,
      "aria-label": `${this.dial.name}: ${label}`,
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => this.commit(what, input));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.commit(what, input);
      if (event.key === "Escape") this.restore(input);
    });
    return input;
  }

  restore(input) {
    input.value = input.dataset.shown ?? "";
    this.complain(null);
    input.select();
  }

  commit(what, input) {
    const written = input.value.replace(/[\s\u202f\u00a0%]/g, "");
    if (input.value === input.dataset.shown) return;
    const { name, low, high } = this.dial;
    if (what !== "value" || written.startsWith("top:")) {
      const share = written.replace(/^top:/, "");
      const isShare = what === "share" || (what === "value" && input.value.includes("%"));
      const wrong = isShare ? !(Number(share) > 0 && Number(share) <= 100) : !/^\d+$/.test(share) || Number(share) < 1;
      if (wrong)
        return this.complain(
          `${name}=${input.value}: ${isShare ? "a share is above 0 and at most 100 %" : "a number of rows is whole and at least 1"}.`,
        );
      return this.set(`top:${share}${isShare ? "%" : ""}`);
    }
    const value = Number(written);
    if (written === "" || !(value >= low && value <= high)) {
      return this.complain(`${name}=${input.value}: it takes a number from ${number(low)} to ${number(high)}, or a share such as top:30%.`);
    }
    this.set(setting(value));
  }

  complain(what) {
    this.error.hidden = what === null;
    setText(this.error, what ?? "");
  }

  set(text, gesture = newGesture("set")) {
    this.complain(null);
    turn(this.dial.name, text, gesture);
    this.drawDial();
  }

  // To a value on the scale, as near to it as `step` allows: the number in the flags is then one that people would write.
  turnTo(value, gesture, step) {
    const { low, high } = this.dial;
    const near = step ? Number((Math.round(value / step) * step).toFixed(digitsOf(step))) : value;
    this.set(setting(Math.min(Math.max(near, low), high)), gesture);
  }

  // The roundest step that one pixel can tell apart.
  get pixelStep() {
    return roundStep(this.plot.perPixel, false);
  }

  // Where the needle stands: as turned, or as the server said.
  get shownValue() {
    const turned = underWay(this.dial.name);
    const value = turned === null ? NaN : Number(turned);
    return Number.isNaN(value) ? this.dial.value : value;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.plot.histogram) return;
    const { low, high } = this.dial;
    const bucket = (high - low) / BUCKETS;
    const times = event.shiftKey ? 10 : 1;
    const now = this.shownValue;
    const to = {
      ArrowRight: now + times * bucket,
      ArrowUp: now + times * bucket,
      ArrowLeft: now - times * bucket,
      ArrowDown: now - times * bucket,
      PageUp: now + 0.05 * (high - low),
      PageDown: now - 0.05 * (high - low),
      Home: low,
      End: high,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      if (event.timeStamp - this.lastKey > KEYS_TOGETHER) this.keyGesture = newGesture("keys");
      this.lastKey = event.timeStamp;
      this.turnTo(to, this.keyGesture);
      if (this.plot.reveal(this.shownValue)) this.redraw();
    } else if (event.key === "+" || event.key === "-") {
      event.preventDefault();
      this.zoom(event.key === "+" ? 0.5 : 2, this.plot.xOf(this.shownValue));
    } else if (event.key === "0") {
      this.unzoom();
    }
  }

  zoom(times, x) {
    this.plot.zoom(times, x);
    this.redraw();
  }

  pan(pixels) {
    this.plot.pan(pixels);
    this.redraw();
  }

  unzoom() {
    this.plot.fit(this.shownValue);
    this.redraw();
    this.align();
  }

  resize(width) {
    this.plot.resize(width);
    this.drawDial();
  }

  redraw() {
    this.whole.hidden = this.plot.isFitted;
    this.plot.drawBars(this.isLog());
    this.drawDial();
  }

  takeHistogram(histogram) {
    this.plot.take(histogram, this.shownValue);
    this.version = histogram.version;
    this.redraw();
    this.align();
  }

  // `peers`: the strips of the same dial, in other groups.
  align() {
    const peers = this.peers ?? [];
    const moved = Plot.align(peers.map((strip) => strip.plot));
    for (const strip of peers) if (moved.includes(strip.plot)) strip.redraw();
  }

  takeCurves(curves) {
    this.plot.takeCurves(curves);
  }

  // As the server has it now.
  update(dial) {
    this.dial = dial;
    if (dial.open) {
      this.show(this.value, number(dial.value), false);
      return;
    }
    const bySetting = dial.setting.startsWith("top:") ? (dial.setting.endsWith("%") ? "share" : "rows") : "value";
    // What it is set to, although rows of one score may make it another share.
    this.show(this.share, bySetting === "share" ? dial.setting.slice(4, -1) : shareText(dial.pass, dial.reach), bySetting === "share");
    this.show(this.rows, count(dial.pass), bySetting === "rows");
    setText(this.reach, ` of ${count(dial.reach)}`);
    setText(this.held.firstChild, `held back ${count(dial.held)}`);
    setText(this.held.lastChild, dial.not_numbers ? ` (${count(dial.not_numbers)} NaN)` : "");
    this.held.title = dial.not_numbers ? `${count(dial.not_numbers)} of them have no number as their score` : "";
    this.reset.hidden = bySetting === "value" && dial.value === dial.default;
    this.bySetting = bySetting;
    this.drawDial();
  }

  show(input, text, isSet) {
    input.classList.toggle("set", isSet);
    if (input.dataset.shown === text && input.value === text) return;
    input.dataset.shown = text;
    // Points and thin spaces are narrower than digits.
    const digits = text.replace(/[^\w]/g, "").length;
    input.style.width = `calc(${Math.max(digits + 0.4 * (text.length - digits), 1)}ch + 10px)`;
    // What somebody is writing is not written over.
    if (document.activeElement !== input && input.value !== text) input.value = text;
  }

  drawDial() {
    const value = this.shownValue;
    this.show(this.value, number(value), this.bySetting === "value");
    setAttributes(this.handle, {
      "aria-valuenow": value,
      "aria-valuetext": `${this.dial.comparison} ${number(value)}: ${count(this.dial.pass)} of ${count(this.dial.reach)} pass, ${percent(this.dial.pass, this.dial.reach)}`,
    });
    const x = this.plot.drawDial({ ...this.dial, value, stands: this.dial.value });
    if (x === undefined) return;
    this.handle.style.transform = `translateX(${Math.min(Math.max(x, 0), this.plot.width)}px)`;
  }

  // What is under the mouse, in words; null takes it away.
  read(x) {
    const bar = x === null ? null : this.plot.barAt(x);
    this.readout.hidden = !bar;
    if (!bar) return;
    const digits = digitsOf(roundStep((this.plot.valueOf(bar.end) - this.plot.valueOf(bar.start)) / 2, false));
    const [from, to] = [bar.start, bar.end].map((bucket) => this.plot.valueOf(bucket).toFixed(digits));
    refill(this.readout, `${from} to ${to}: ${counted(bar.rows, "row", "rows")}`);
    this.readout.classList.toggle("left", x > this.plot.width / 2);
  }
}
