// Pictures in rows: a tile a row, kept while the row is shown, so that a moved threshold fetches only what is new.

import { drawingOf, panels, words } from "./drawing.js";
import { clean, element, outside, refill, setText } from "./dom.js";
import { number, numberBeside, verdictShort, verdictWords } from "./format.js";
import { openRow } from "./row.js";
import { state } from "./state.js";

export class Tiles {
  // `dialOf()`: the dial that the rows' scores are told against, or null. `empty`: what is said where there is no row.
  constructor({ dialOf = () => null, empty }) {
    this.dialOf = dialOf;
    this.empty = empty;
    this.made = new Map();
    this.root = element("div", { class: "tiles" });
  }

  update(rows) {
    const before = this.made;
    this.made = new Map();
    const ids = rows.map((row) => row.id);
    for (const row of rows) {
      const tile = before.get(row.id) ?? this.make(row);
      before.delete(row.id);
      this.made.set(row.id, tile);
      this.fill(tile, row, ids);
    }
    for (const tile of before.values()) {
      tile.wish.abort();
      // The browser would fetch pictures that nobody sees any more, and turns would wait for them.
      for (const img of tile.root.querySelectorAll("img")) img.removeAttribute("src");
      tile.root.remove();
    }
    if (rows.length === 0) {
      refill(this.root, element("p", { class: "empty" }, this.empty));
      return;
    }
    // Only tiles that stand elsewhere are moved: a moved one would lose its focus.
    let place = 0;
    for (const { root } of this.made.values()) {
      if (this.root.children[place] !== root) this.root.insertBefore(root, this.root.children[place] ?? null);
      place += 1;
    }
    while (this.root.children.length > place) this.root.lastChild.remove();
  }

  make(row) {
    const wish = new AbortController();
    const stage = element("div", { class: "tile-picture waits" });
    const score = element("b");
    const dot = element("span", { class: "dot", title: "published" });
    const key = outside("", { class: "tile-key" });
    const why = element("span", { class: "tile-why" });
    const said = element("span", { class: "tile-words" });
    const root = element(
      "button",
      { class: row.of === "edits" ? "tile wide" : "tile" },
      stage,
      element("span", { class: "tile-line" }, score, dot, key),
      why,
      said,
    );
    const tile = { root, stage, score, dot, key, why, wish, ids: [] };
    root.addEventListener("click", () => openRow(row.id, tile.ids));
    drawingOf(row.id, wish.signal).then(
      (drawing) => {
        stage.classList.remove("waits");
        refill(stage, panels(drawing, ""));
        if (row.of !== "pictures") refill(said, words(drawing).slice(0, 2));
      },
      (refusal) => {
        if (refusal.name === "AbortError") return;
        stage.classList.remove("waits");
        refill(stage, element("div", { class: "nothing" }, `cannot be shown: ${refusal.message}`));
      },
    );
    return tile;
  }

  fill(tile, row, ids) {
    const dial = this.dialOf();
    tile.ids = ids;
    const { verdict } = row.verdict;
    tile.root.dataset.verdict = verdict;
    setText(tile.score, dial ? numberBeside(row.score, dial.value) : "");
    tile.dot.hidden = !row.published;
    setText(tile.key, row.key ?? "?");
    // That this dial holds it back is what the side says already.
    const isOther = verdict !== "kept" && !(verdict === "gated" && row.verdict.dial === dial?.name);
    tile.why.hidden = !isOther;
    const score = !dial && verdict === "gated" ? `: ${number(row.verdict.score)}` : "";
    setText(tile.why, isOther ? verdictShort(row.verdict) + score : "");
    tile.root.title = clean(
      `${verdictWords(row.verdict, state.now.dials)}\n${row.shard}/${(row.key ?? "?").slice(0, 120)}, ${row.width} × ${row.height} px`,
    );
  }
}
