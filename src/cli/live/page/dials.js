// All strips: those of one dial by group side by side under one heading. Fetches their histograms: of what is seen, the focus first.

import { get } from "./api.js";
import { byId, element, refill } from "./dom.js";
import { oneAtATime, state } from "./state.js";
import { Strip } from "./strip.js";
import { complain } from "./turns.js";

const strips = new Map();
const wanted = new Set();
let logarithmic = sessionStorage.getItem("threshflow heights") === "log";
let names = "";

export function stripOf(name) {
  return strips.get(name) ?? null;
}

// The needle of the dial in focus, or of the one so many places after it, takes the keys.
export function focusNeedle(after = 0) {
  const turnable = [...strips.values()].filter((strip) => !strip.dial.open);
  const place = turnable.findIndex((strip) => strip.dial.name === state.focus);
  const strip = turnable[Math.min(Math.max(place + after, 0), turnable.length - 1)];
  strip?.handle.focus({ preventScroll: true });
  strip?.root.scrollIntoView({ block: "nearest" });
}

export function startDials() {
  const button = (label, isLog) =>
    element("button", { "aria-pressed": String(logarithmic === isLog), on: { click: () => setHeights(isLog) } }, label);
  refill(
    byId("dials-tools"),
    element("div", { class: "switch", role: "group", "aria-label": "Height of the bars" }, button("linear", false), button("log", true)),
  );
  byId("dials-tools").before(
    element(
      "span",
      { class: "soft legend" },
      element("span", { class: "swatch pass" }),
      "passes ",
      element("span", { class: "swatch held" }),
      "held back ",
      element("span", { class: "swatch mark-default" }),
      "default ",
      element("span", { class: "swatch mark-published" }),
      "published",
    ),
  );
  state.on("counts", (now, before) => {
    if (now.dials.map((dial) => dial.name).join("\n") !== names) build(now.dials);
    for (const dial of now.dials) {
      const strip = strips.get(dial.name);
      // Of many dials, those that nobody sees are drawn when they are scrolled to.
      if (strip.isSeen === false) strip.dial = dial;
      else strip.update(dial);
      const known = before?.dials.find((earlier) => earlier.name === dial.name);
      if (!known || known.reach !== dial.reach || known.not_numbers !== dial.not_numbers) want(strip);
    }
    fetchWanted();
  });
  // As many rows may be other rows: when all is quiet, what is older than the state is asked for again.
  state.on("settled", (now) => {
    for (const strip of strips.values()) if (strip.version !== now.version) want(strip);
    fetchWanted();
  });
  state.on("focus", (name) => {
    for (const [known, strip] of strips) strip.root.classList.toggle("focus", known === name);
  });
}

function setHeights(isLog) {
  logarithmic = isLog;
  sessionStorage.setItem("threshflow heights", isLog ? "log" : "linear");
  const [linear, log] = byId("dials-tools").querySelectorAll("button");
  linear.setAttribute("aria-pressed", String(!isLog));
  log.setAttribute("aria-pressed", String(isLog));
  for (const strip of strips.values()) if (strip.plot.histogram) strip.redraw();
}

function build(dials) {
  names = dials.map((dial) => dial.name).join("\n");
  strips.clear();
  seen.disconnect();
  const parts = [];
  let group = null;
  for (const dial of dials) {
    const strip = new Strip(dial, () => logarithmic);
    strips.set(dial.name, strip);
    if (!dial.open) seen.observe(strip.root);
    if (dial.group === null) {
      group = null;
      parts.push(strip.root);
    } else {
      if (group?.dial !== dial.dial) {
        group = { dial: dial.dial, strips: [], multiples: element("div", { class: "multiples" }) };
        parts.push(
          element(
            "section",
            { class: "group", "aria-label": dial.dial },
            element(
              "div",
              { class: "group-head" },
              element("h3", {}, dial.dial),
              element("span", { class: "soft" }, `${dial.of}, by group; ${dial.unit}`),
            ),
            group.multiples,
          ),
        );
      }
      group.multiples.append(strip.root);
      group.strips.push(strip);
      strip.peers = group.strips;
    }
  }
  refill(byId("strips"), parts);
  const open = dials.find((dial) => !dial.open) ?? dials[0];
  const earlier = sessionStorage.getItem("threshflow dial");
  const focus = strips.has(earlier) ? earlier : open?.name;
  if (focus) {
    state.focus = null;
    state.focusOn(focus);
  }
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const strip = [...strips.values()].find(({ root }) => root === target);
      if (!strip) continue;
      strip.isSeen = isIntersecting;
      if (!isIntersecting) continue;
      strip.update(state.dial(strip.dial.name));
      if (strip.version !== state.now.version) want(strip);
    }
    fetchWanted();
  },
  { rootMargin: "200px" },
);

function want(strip) {
  if (!strip.dial.open) wanted.add(strip.dial.name);
}

const fetchWanted = oneAtATime(async () => {
  for (;;) {
    const known = [...wanted].filter((name) => strips.get(name)?.isSeen !== false);
    const name = known.includes(state.focus) ? state.focus : known[0];
    if (!name) return;
    wanted.delete(name);
    try {
      const histogram = await get(`/api/histogram/${encodeURIComponent(name)}`);
      strips.get(name)?.takeHistogram(histogram);
    } catch (why) {
      complain(why);
    }
  }
});
