// Labels: one picture at a time is called good or bad. From thirty on, precision and recall at every threshold are drawn over the strip.

import { get, getText, post, postText } from "./api.js";
import { say } from "./banner.js";
import { stripOf } from "./dials.js";
import { drawingOf, panels, words } from "./drawing.js";
import { element, outside, refill, setText } from "./dom.js";
import { count, number, percent, setting } from "./format.js";
import { Plot } from "./plot.js";
import { oneAtATime, state } from "./state.js";
import { isShown } from "./tabs.js";
import { complain, newGesture, turn } from "./turns.js";

const ENOUGH = 30;
const DRAW = 30;
const CHART = 150;

export function startLabels(panel) {
  const view = new Labels(panel);
  return { show: () => view.show(), hide: () => view.leave() };
}

class Labels {
  constructor(panel) {
    this.dial = null;
    this.queue = [];
    this.done = [];
    this.seed = 1;
    this.labelled = 0;
    this.title = element("p", { class: "about" });
    this.stage = element("div", { class: "label-picture" });
    const button = (key, text, work) =>
      element("button", { class: `label-${text.toLowerCase()}`, on: { click: work } }, element("kbd", {}, key), ` ${text}`);
    this.buttons = element(
      "div",
      { class: "label-buttons" },
      button("G", "Good", () => this.label(true)),
      button("B", "Bad", () => this.label(false)),
      button("S", "Skip", () => this.skip()),
      button("U", "Back", () => this.back()),
    );
    this.progress = element("progress", { max: ENOUGH, value: 0, "aria-label": "Labels until the curves are drawn" });
    this.count = element("span");
    this.plot = new Plot(CHART);
    this.chart = element("div", { class: "label-chart", hidden: true }, this.plot.svg);
    new ResizeObserver(([{ contentRect }]) => this.drawChart(contentRect.width)).observe(this.chart);
    this.numbers = element("p", { class: "precision-at" });
    this.want = element("input", {
      type: "text",
      inputmode: "decimal",
      value: "0.95",
      size: 4,
      "aria-label": "Precision that is wanted, 0 to 1",
    });
    this.loosest = element("button", { on: { click: () => this.turnToLoosest() } }, "Loosest cut with precision at least");
    const file = element("input", { type: "file", accept: ".csv,text/csv", class: "unseen", tabindex: -1, "aria-hidden": "true" });
    file.addEventListener("change", () => this.take(file));
    panel.append(
      this.title,
      this.stage,
      this.buttons,
      element("p", { class: "label-progress" }, this.progress, " ", this.count),
      this.chart,
      this.numbers,
      element(
        "div",
        { class: "label-tools" },
        element("span", { class: "joined" }, this.loosest, this.want),
        element("button", { on: { click: () => this.give() } }, "Export CSV"),
        element("button", { on: { click: () => file.click() } }, "Import CSV"),
        file,
      ),
    );
    document.addEventListener("keydown", (event) => this.key(event));
    state.on("focus", () => isShown("labels") && this.show());
    state.on("labelled", (name) => name === this.dial && this.fetchCurves());
    // The curves stay; the numbers where the dial stands follow it.
    state.on("settled", () => isShown("labels") && this.fetchCurves());
    this.fetchCurves = oneAtATime(() => this.readCurves());
  }

  async show() {
    if (this.dial !== state.focus) {
      this.leave();
      this.dial = state.focus;
      this.queue = [];
      this.done = [];
      await this.draw();
    }
    this.fetchCurves();
  }

  leave() {
    this.takeCurves(null);
  }

  // Over the strip, and once more where there is room.
  takeCurves(curves) {
    stripOf(this.dial)?.takeCurves(curves);
    this.plot.takeCurves(curves);
    this.chart.hidden = curves === null;
    if (curves) this.drawChart(this.chart.clientWidth);
  }

  drawChart(width) {
    const dial = state.dial(this.dial);
    const histogram = stripOf(this.dial)?.plot.histogram;
    if (!histogram || width === 0 || this.chart.hidden) return;
    this.plot.take(histogram, dial.value);
    this.plot.resize(width);
    this.plot.drawBars(false);
    this.plot.drawDial(dial);
  }

  // More rows to be labelled; another seed draws others.
  async draw() {
    const dial = state.dial(this.dial);
    const name = this.dial;
    if (!dial || dial.open) {
      refill(this.title, element("b", {}, name), " is open: there is no score to label for. Choose another dial.");
      refill(this.stage);
      return;
    }
    refill(
      this.title,
      "Is this ",
      element("b", {}, "good"),
      " by what ",
      element("b", {}, name),
      " measures? ",
      element("span", { class: "soft" }, `${dial.about} The score is not shown, so that it does not lead.`),
    );
    try {
      const { labels, next } = await get("/api/labels", { dial: name, draw: DRAW, seed: this.seed });
      if (name !== this.dial) return;
      this.labelled = labels.length;
      const known = new Set(this.queue.map((row) => row.id));
      const skipped = new Set(this.done.map(({ row }) => row.id));
      const fresh = next.filter((row) => !known.has(row.id) && !skipped.has(row.id));
      this.isEmpty = fresh.length === 0 && this.queue.length === 0;
      this.queue.push(...fresh);
      this.seed += 1;
    } catch (why) {
      complain(why);
    }
    this.drawPicture();
  }

  async drawPicture() {
    this.drawProgress();
    const [row, next] = this.queue;
    if (!row) {
      refill(
        this.stage,
        element("div", { class: "nothing" }, this.isEmpty ? "Every row that reaches this dial is labelled or was skipped." : "…"),
      );
      return;
    }
    // The one after it comes while this one is looked at.
    if (next) drawingOf(next.id).catch(() => {});
    try {
      const drawing = await drawingOf(row.id);
      if (this.queue[0] !== row) return;
      refill(
        this.stage,
        panels(drawing, row.key ?? "", { letters: 7 }),
        element("p", { class: "soft" }, outside(`${row.shard}/${row.key ?? "?"}`)),
        words(drawing),
      );
    } catch (why) {
      refill(this.stage, element("div", { class: "nothing" }, `cannot be shown: ${why.message}`));
    }
  }

  drawProgress() {
    this.progress.value = Math.min(this.labelled, ENOUGH);
    this.progress.hidden = this.labelled >= ENOUGH;
    const left = ENOUGH - this.labelled;
    setText(
      this.count,
      left > 0
        ? `${count(this.labelled)} labelled; ${count(left)} more until the curves are drawn`
        : `${count(this.labelled)} labelled; more make the bands narrower`,
    );
    this.loosest.disabled = left > 0;
  }

  async label(good) {
    const row = this.queue.shift();
    if (!row) return;
    this.done.push({ row, good });
    this.labelled += 1;
    this.advance();
    try {
      const { labelled } = await post("/api/labels", { dial: this.dial, row: row.id, good });
      this.labelled = labelled;
      this.drawProgress();
      this.fetchCurves();
    } catch (why) {
      complain(why);
      this.done = this.done.filter((made) => made.row !== row);
      this.labelled -= 1;
      this.queue.unshift(row);
      this.drawPicture();
    }
  }

  skip() {
    const row = this.queue.shift();
    if (!row) return;
    this.done.push({ row, good: null });
    this.advance();
  }

  advance() {
    this.drawPicture();
    if (this.queue.length < 3) this.draw();
  }

  async back() {
    const last = this.done.pop();
    if (!last) return;
    this.queue.unshift(last.row);
    this.drawPicture();
    if (last.good === null) return;
    try {
      this.labelled = (await post("/api/labels", { dial: this.dial, row: last.row.id, good: null })).labelled;
      this.drawProgress();
      this.fetchCurves();
    } catch (why) {
      complain(why);
    }
  }

  key(event) {
    if (!isShown("labels") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    const work = { g: () => this.label(true), b: () => this.label(false), s: () => this.skip(), u: () => this.back() }[
      event.key.toLowerCase()
    ];
    if (!work) return;
    event.preventDefault();
    work();
  }

  async readCurves() {
    const name = this.dial;
    if (!isShown("labels") || this.labelled < ENOUGH || state.dial(name)?.open) {
      this.takeCurves(null);
      refill(this.numbers);
      return;
    }
    try {
      const { thresholds, at } = await get("/api/precision", { dial: name });
      if (name !== this.dial || !isShown("labels")) return;
      this.takeCurves(thresholds);
      const share = (what, middle, low, high) =>
        middle === null
          ? [what, " not known"]
          : [element("b", { class: what }, percent(middle, 1)), ` ${what} (${percent(low, 1)} to ${percent(high, 1)})`];
      refill(
        this.numbers,
        `At ${number(at.value)}: `,
        share("precision", at.precision, at.low, at.high),
        ", ",
        share("recall", at.recall, at.recall_low, at.recall_high),
        element("span", { class: "soft" }, "; in brackets and as bands, 95 % of what it may be."),
      );
    } catch (why) {
      complain(why);
    }
  }

  async turnToLoosest() {
    const precision = Number(this.want.value);
    if (!(precision > 0 && precision <= 1)) {
      say("trouble", `Precision ${this.want.value}: it is above 0 and at most 1, such as 0.95.`);
      return;
    }
    try {
      const { value } = await get("/api/loosest", { dial: this.dial, precision });
      turn(this.dial, setting(value), newGesture("loosest"));
    } catch (why) {
      complain(why);
    }
  }

  async give() {
    try {
      const text = await getText("/api/labels.csv", { dial: this.dial });
      const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      element("a", { href: address, download: `labels-${this.dial.replace(/[^\w-]+/g, "-")}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    } catch (why) {
      complain(why);
    }
  }

  async take(file) {
    const [chosen] = file.files;
    file.value = "";
    if (!chosen) return;
    try {
      const { imported } = await postText("/api/labels.csv", "text/csv", await chosen.text());
      say("note", `${chosen.name}: ${count(imported)} labels imported.`);
      this.dial = null;
      await this.show();
    } catch (why) {
      complain(why);
    }
  }
}
