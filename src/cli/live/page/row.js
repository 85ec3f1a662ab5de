// The dialog about one row: the picture, its story, every score, its pieces, what is published, labels, and the neighbours.

import { get, post } from "./api.js";
import { drawingOf, panels, scores, words } from "./drawing.js";
import { byId, element, outside, refill } from "./dom.js";
import { number, verdictWords } from "./format.js";
import { state } from "./state.js";
import { complain } from "./turns.js";

let shown = null;

// `among`: the rows that it was opened from; previous and next go through them, and Shift through the neighbours in the shard.
export async function openRow(id, among = []) {
  const dialog = byId("row-dialog");
  shown = id;
  let row;
  try {
    row = await get(`/api/row/${encodeURIComponent(id)}`);
  } catch (why) {
    complain(why);
    return;
  }
  if (shown !== id) return;
  const place = among.indexOf(id);
  const [previous, next] = row.neighbours ?? [];
  const go = {
    left: among[place - 1],
    right: place < 0 ? undefined : among[place + 1],
    previous,
    next,
  };
  const stage = element("div", { class: "row-picture waits" });
  refill(dialog, head(row, go, among), element("div", { class: "row-body" }, stage, facts(row, among)));
  dialog.onkeydown = (event) => {
    if (event.target.closest("input, textarea")) return;
    const to = { ArrowLeft: event.shiftKey ? go.previous : go.left, ArrowRight: event.shiftKey ? go.next : go.right }[event.key];
    if (to) {
      event.preventDefault();
      openRow(to, among);
    }
  };
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  try {
    const drawing = await drawingOf(id);
    if (shown !== id) return;
    stage.classList.remove("waits");
    refill(stage, panels(drawing, row.key, { letters: 7 }), words(drawing));
  } catch (why) {
    refill(stage, element("div", { class: "nothing" }, `cannot be shown: ${why.message}`));
  }
}

function head(row, go, among) {
  const button = (words, to, title) => element("button", { disabled: !to, title, on: { click: () => openRow(to, among) } }, words);
  const close = element("button", { class: "main", on: { click: () => byId("row-dialog").close() } }, "Close");
  const through =
    among.length > 1
      ? [button("← list", go.left, "The one before in the list (←)"), button("→", go.right, "The next in the list (→)")]
      : [];
  return element(
    "header",
    { class: "row-head" },
    element("h2", {}, outside(`${row.shard}/${row.key}`)),
    element(
      "div",
      { class: "row-go" },
      through,
      button("← shard", go.previous, "The picture before in the shard (Shift-←)"),
      button("→", go.next, "The next picture in the shard (Shift-→)"),
      close,
    ),
  );
}

function facts(row, among) {
  const { dials } = state.now;
  const verdict = (title, is, by) =>
    element(
      "div",
      { class: "fact-line" },
      element("span", { class: "soft" }, title),
      element("b", { class: `verdict ${is?.verdict ?? "none"}` }, verdictWords(is, dials, by)),
    );
  const message = row.verdict.verdict === "refused" ? element("p", { class: "message" }, outside(row.verdict.message)) : null;
  return element(
    "div",
    { class: "row-facts" },
    verdict("now", row.verdict),
    message,
    row.picture && row.id.includes(".") ? verdict("its picture", row.picture) : null,
    verdict("published", row.published, "published"),
    row.caption ? element("p", { class: "caption" }, outside(row.caption)) : null,
    row.scores.length ? [element("h3", {}, "Scores"), scoreTable(row.scores, dials)] : null,
    row.pieces?.length
      ? [
          element("h3", {}, "Pieces"),
          element(
            "ul",
            { class: "pieces" },
            row.pieces.map((piece) => pieceLine(piece, dials, among)),
          ),
        ]
      : null,
    element("h3", {}, "Story"),
    element(
      "ol",
      { class: "story" },
      row.story.map((line) => element("li", {}, outside(line))),
    ),
    labelsOf(row),
  );
}

function scoreTable(pairs, dials) {
  return element(
    "table",
    { class: "score-table" },
    element(
      "tbody",
      {},
      pairs.map(([name, value]) => {
        const dial = dials.find((known) => known.name === name);
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, outside(name)),
          element("td", { class: "n" }, number(value)),
          element("td", { class: "soft" }, dial ? `dial ${dial.comparison} ${number(dial.value)}` : ""),
        );
      }),
    ),
  );
}

function pieceLine(piece, dials, among) {
  return element(
    "li",
    {},
    element("button", { class: "quiet link", on: { click: () => openRow(piece.id, among) } }, piece.id),
    " ",
    element("span", { class: `verdict ${piece.verdict.verdict}` }, verdictWords(piece.verdict, dials)),
    scores(piece.scores),
  );
}

// A label is about a row and a dial: here, the dial in focus.
function labelsOf(row) {
  const dial = state.dial(state.focus);
  const known = (row.labels ?? []).map(({ dial: name, good }) => `${good ? "good" : "bad"} for ${name}`).join(", ");
  const line = element("span", { class: "soft" }, known);
  const isPiece = row.id.includes(".");
  const fits = dial && !dial.open && (dial.of === "pictures" ? !isPiece : row.id.includes(dial.of === "edits" ? ".e" : ".r"));
  if (!fits) return element("p", {}, line);
  const label = async (good) => {
    try {
      await post("/api/labels", { dial: dial.name, row: row.id, good });
      refill(line, good === null ? "label taken back" : `${good ? "good" : "bad"} for ${dial.name}`);
      state.tell("labelled", dial.name);
    } catch (why) {
      complain(why);
    }
  };
  return element(
    "p",
    { class: "row-labels" },
    element("span", { class: "soft" }, `Label for ${dial.name}: `),
    element("button", { on: { click: () => label(true) } }, "Good"),
    element("button", { on: { click: () => label(false) } }, "Bad"),
    element("button", { on: { click: () => label(null) } }, "Take back"),
    line,
  );
}
