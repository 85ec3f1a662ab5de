// The views of pictures: at the cut of the dial in focus, and what enters and leaves.

import { get } from "./api.js";
import { element, refill, setText } from "./dom.js";
import { count, number, percent } from "./format.js";
import { oneAtATime, state } from "./state.js";
import { countTab, isShown } from "./tabs.js";
import { Tiles } from "./tiles.js";
import { complain, underWay } from "./turns.js";

const APART = 50;
const AT_CUT = 12;
const STEP = 24;

// Just held back and just passed, side by side as on the strip: the lower scores are at the left.
export function startCut(panel) {
  const dialOf = () => state.dial(state.focus);
  const side = (name) => {
    const tiles = new Tiles({ dialOf, empty: "No row is on this side." });
    const title = element("h3");
    return { tiles, title, root: element("section", { class: `cut-side ${name}` }, title, tiles.root) };
  };
  const held = side("held");
  const pass = side("pass");
  const about = element("p", { class: "about" });
  const sides = element("div", { class: "cut" });
  panel.append(about, sides);

  const fetchCut = oneAtATime(async () => {
    const dial = dialOf();
    if (!dial || !isShown("at the cut")) return;
    try {
      const cut = await get("/api/cut", { dial: dial.name, most: AT_CUT });
      if (cut.dial !== state.focus) return;
      held.tiles.update(cut.below);
      pass.tiles.update(cut.above);
    } catch (why) {
      complain(why);
    }
    // While a handle is dragged, turns come first.
    await new Promise((resolve) => setTimeout(resolve, APART));
  });

  function draw() {
    const dial = dialOf();
    if (!dial) return;
    const abovePasses = dial.comparison.startsWith(">");
    const order = abovePasses ? [held.root, pass.root] : [pass.root, held.root];
    if (sides.firstChild !== order[0]) refill(sides, order);
    const turned = Number(underWay(dial.name) ?? NaN);
    const value = number(Number.isNaN(turned) ? dial.value : turned);
    const not = { ">": "≤", ">=": "<", "<": "≥", "<=": ">" }[dial.comparison];
    refill(
      about,
      element("b", {}, dial.name),
      ` ${dial.comparison} ${value} `,
      element("span", { class: "soft" }, `(${dial.unit}). ${dial.about}`),
    );
    setText(held.title, `Held back, nearest first (${not} ${value})`);
    setText(pass.title, `Passes, nearest first (${dial.comparison} ${value})`);
  }

  state.on("counts", () => {
    if (!isShown("at the cut")) return;
    draw();
    fetchCut();
  });
  state.on("focus", () => {
    draw();
    fetchCut();
  });
  return {
    show: () => {
      draw();
      fetchCut();
    },
  };
}

// `side`: "enter" or "leave"; `name`: of its tab.
export function startChanges(side, name, words) {
  return (panel) => {
    let most = STEP;
    const title = element("p", { class: "about" });
    const tiles = new Tiles({ empty: `Nothing ${name}: with these dials, what is published stays as it is.` });
    const more = element(
      "button",
      {
        class: "more",
        hidden: true,
        on: {
          click: () => {
            most += 2 * STEP;
            fetchChanges();
          },
        },
      },
      "Show more",
    );
    panel.append(title, tiles.root, more);
    const fetchChanges = oneAtATime(async () => {
      if (!isShown(name)) return;
      try {
        const { count: all, rows } = await get("/api/changes", { side, most });
        refill(
          title,
          element("b", {}, count(all)),
          ` ${words}. `,
          element("span", { class: "soft" }, all > rows.length ? `${count(rows.length)} are shown.` : ""),
        );
        tiles.update(rows);
        more.hidden = rows.length >= all;
      } catch (why) {
        complain(why);
      }
    });
    state.on("settled", fetchChanges);
    return { show: fetchChanges };
  };
}

// The numbers beside the tabs' names.
export function countChanges() {
  state.on("counts", (now) => {
    countTab("enters", now.enter ? count(now.enter) : "");
    countTab("leaves", now.leave ? count(now.leave) : "");
  });
}

// Two settings against each other: which rows only one of them keeps.
export function startCompare(panel) {
  const a = choice("A", "published");
  const b = choice("B", "now");
  const out = element("div", { class: "compared" });
  const go = element("button", { class: "main" }, "Compare");
  const form = element("form", { class: "compare-form" }, a.root, b.root, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
  panel.append(
    element(
      "p",
      { class: "about soft" },
      "Which rows would one setting keep and not the other. Flags are written as aesthetic=5;follows[remove]=top:30%; a dial that is not named is as it stands.",
    ),
    form,
    out,
  );

  const compare = oneAtATime(async () => {
    if (!isShown("compare")) return;
    try {
      draw(await get("/api/compare", { a: a.value(), b: b.value() }));
    } catch (why) {
      complain(why);
    }
  });

  function draw({ a: ofA, b: ofB, only_a: onlyA, only_b: onlyB, undecided }) {
    const both = ofA.kept - onlyA.count;
    const cell = (words, value) => element("div", {}, element("b", {}, count(value)), ` ${words}`);
    const column = (words, { count: all, rows }) => {
      const tiles = new Tiles({ empty: "No row." });
      tiles.update(rows);
      return element(
        "section",
        { class: "cut-side" },
        element("h3", {}, `${words}: ${count(all)}${all > rows.length ? `, ${count(rows.length)} shown` : ""}`),
        tiles.root,
      );
    };
    refill(
      out,
      element(
        "div",
        { class: "sums" },
        cell("kept by A", ofA.kept),
        cell("kept by B", ofB.kept),
        cell(`by both (${percent(both, ofA.kept + onlyB.count)} of all that either keeps)`, both),
        cell("undecided in either", undecided),
      ),
      element("div", { class: "cut" }, column("Only A keeps", onlyA), column("Only B keeps", onlyB)),
    );
  }

  state.on("settled", () => out.firstChild && compare());
  return { show: compare };
}

function choice(name, first) {
  const select = element(
    "select",
    { "aria-label": `Setting ${name}` },
    element("option", { value: "published" }, "as published"),
    element("option", { value: "now" }, "as it stands"),
    element("option", { value: "flags" }, "these flags:"),
  );
  select.value = first;
  const input = element("input", {
    type: "text",
    placeholder: "aesthetic=5;sharp=top:50%",
    hidden: true,
    spellcheck: "false",
    "aria-label": `Flags of ${name}`,
  });
  select.addEventListener("change", () => {
    input.hidden = select.value !== "flags";
    // What stands now is where one starts from.
    if (!input.hidden && !input.value) {
      input.value = state.now.dials
        .filter((dial) => !dial.open)
        .map((dial) => `${dial.name}=${dial.setting}`)
        .join(";");
      input.focus();
    }
  });
  return {
    root: element("label", {}, element("b", {}, name), " ", select, input),
    value: () => ({ published: "", now: "now", flags: input.value })[select.value],
  };
}
