// Pictures as the pipeline shows them: panels with marks over them, and the words and scores beside. Fetched a few at a time, and kept.

import { get, withToken } from "./api.js";
import { clean, element, outside, shape } from "./dom.js";
import { number } from "./format.js";

const MOST_KEPT = 400;
// Turns go over the same six connections: pictures take at most these.
const MOST_AT_ONCE = 3;
// White letters are read on each. Marks are told apart by their words too.
const COLOURS = ["#0b57b8", "#b3261e", "#12806a", "#8a4b08", "#7b2d8e", "#00677d", "#a4196f", "#4d6600", "#5b4db3", "#57606a"];
const LETTERS = 12;
const LETTER_WIDTH = 0.602;
const MOST_LETTERS = 26;

const kept = new Map();
const waiting = [];
let busy = 0;

// The drawing of a row: a promise. `signal` takes the wish back while it waits.
export function drawingOf(id, signal) {
  const known = kept.get(id);
  if (known) {
    kept.delete(id);
    kept.set(id, known);
    // Whoever wished first may have taken the wish back.
    return known.catch((why) => (why.name === "AbortError" && !signal?.aborted ? drawingOf(id, signal) : Promise.reject(why)));
  }
  const coming = new Promise((resolve, reject) => waiting.push({ id, resolve, reject, signal }));
  kept.set(id, coming);
  coming.catch(() => kept.delete(id));
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  next();
  return coming;
}

// What is drawn depends on what was answered: after an apply, it is asked for again.
export function forgetDrawings() {
  kept.clear();
}

async function next() {
  if (busy >= MOST_AT_ONCE || waiting.length === 0) return;
  // The newest wish is the one that is looked at.
  const { id, resolve, reject, signal } = waiting.pop();
  if (signal?.aborted) {
    reject(new DOMException("no longer seen", "AbortError"));
    next();
    return;
  }
  busy += 1;
  try {
    resolve(await get(`/api/drawing/${encodeURIComponent(id)}`));
  } catch (why) {
    reject(why);
  } finally {
    busy -= 1;
    next();
  }
}

// The panels side by side; or the reason why there are none. `alt` is empty where the key stands beside. `letters`: how high those of marks are on a
// picture of 320.
export function panels(drawing, alt, { letters = LETTERS } = {}) {
  if (drawing.problem || drawing.panels.length === 0) {
    return element("div", { class: "nothing" }, `cannot be shown: ${drawing.problem ?? "it has no picture"}`);
  }
  return element(
    "div",
    { class: "drawing" },
    drawing.panels.map((panel) =>
      element(
        "figure",
        { class: "drawn" },
        picture(panel, alt, letters),
        drawing.panels.length > 1 ? element("figcaption", {}, panel.caption) : null,
      ),
    ),
  );
}

function picture({ image, width, height, marks, caption }, alt, letters) {
  const img = element("img", {
    src: withToken(image),
    width,
    height,
    alt: [alt, caption || "picture"].filter(Boolean).join(", "),
    decoding: "async",
    draggable: "false",
  });
  if (!marks?.length) return element("div", { class: "framed" }, img);
  const drawn = shape(
    "svg",
    { class: "over", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    marks.map((mark) => outlineOf(mark, width, height)),
  );
  const taken = [];
  for (const mark of marks) drawn.append(labelOf(mark, [width, height], (letters * width) / 320, taken));
  return element("div", { class: "framed" }, img, drawn);
}

function edges({ box }, width, height) {
  const [left, top, right, bottom] = box.map((edge) => Math.min(Math.max(edge, 0), 1));
  return { left: left * width, top: top * height, right: right * width, bottom: bottom * height };
}

// A box in its colour on a white one, so that it is seen on any picture.
function outlineOf(mark, width, height) {
  const { left, top, right, bottom } = edges(mark, width, height);
  const at = { x: left + 1, y: top + 1, width: Math.max(right - left - 2, 1), height: Math.max(bottom - top - 2, 1), fill: "none" };
  return [
    shape("rect", { ...at, stroke: "#fff", "stroke-width": 3.4, "stroke-opacity": 0.75 }),
    shape("rect", { ...at, stroke: colourOf(mark), "stroke-width": 2, "stroke-dasharray": mark.background ? "7 5" : null }),
  ];
}

function colourOf({ colour }) {
  return typeof colour === "string" ? colour : COLOURS[colour % COLOURS.length];
}

// The words of a mark at its box, clear of those before it where that can be.
function labelOf(mark, [width, height], letters, taken) {
  const all = [...clean(mark.text)];
  const text = all.length > MOST_LETTERS ? `${all.slice(0, MOST_LETTERS - 1).join("")}…` : all.join("");
  const columns = [...text].reduce((sum, letter) => sum + (letter < "\u1100" ? 1 : 1.7), 0);
  const [wide, high] = [(columns * LETTER_WIDTH + 0.6) * letters, letters * 1.3];
  const { left, top, right, bottom } = edges(mark, width, height);
  const places = [
    [left, top - high],
    [left, top],
    [right - wide, top - high],
    [right - wide, top],
    [left, bottom],
    [left, bottom - high],
  ].map(([x, y]) => [Math.max(Math.min(x, width - wide), 0), Math.max(Math.min(y, height - high), 0)]);
  const covered = ([x, y]) =>
    taken.reduce(
      (sum, other) =>
        sum +
        Math.max(Math.min(x + wide, other.x + other.wide) - Math.max(x, other.x), 0) *
          Math.max(Math.min(y + high, other.y + other.high) - Math.max(y, other.y), 0),
      0,
    );
  const [x, y] = places.reduce((best, place) => (covered(place) < covered(best) ? place : best));
  taken.push({ x, y, wide, high });
  return shape(
    "g",
    {},
    shape("rect", { x, y, width: wide, height: high, rx: 2, fill: colourOf(mark) }),
    shape(
      "text",
      {
        x: x + letters * 0.3,
        y: y + letters * 0.99,
        "font-size": letters,
        textLength: wide - letters * 0.6,
        lengthAdjust: "spacingAndGlyphs",
      },
      text,
    ),
  );
}

// `[["instruction", "make it red"]]` as lines.
export function words(drawing) {
  return drawing.words
    .map(([name, text]) => element("p", { class: "words" }, element("span", { class: "soft" }, `${name} `), outside(text)))
    .concat(drawing.notes.map((note) => element("p", { class: "words soft" }, outside(note))));
}

export function scores(pairs) {
  return element(
    "p",
    { class: "scores" },
    pairs.map(([name, value], place) => [place ? " · " : "", outside(name), `\u00a0${number(value)}`]),
  );
}
