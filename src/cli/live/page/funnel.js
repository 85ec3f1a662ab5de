// The funnel of all stages, live: a bar a stage, as wide as what comes in; and the lanes that ask.

import { get } from "./api.js";
import { element, outside, refill, shape } from "./dom.js";
import { bytes, count, duration, money, percent, rate } from "./format.js";
import { oneAtATime, state } from "./state.js";
import { isShown } from "./tabs.js";
import { complain } from "./turns.js";

const KINDS = { probe: "reads", ask: "asks", gate: "dial", choose: "chooses", absent: "nobody is asked" };
const PARTS = ["passed", "held", "refused", "undecided"];

export function startFunnel(panel) {
  const out = element("div");
  panel.append(
    element(
      "p",
      { class: "about soft legend" },
      PARTS.map((part) => [
        element("span", { class: `swatch ${part}` }),
        part === "held" ? "held back " : part === "undecided" ? "not asked yet " : `${part} `,
      ]),
    ),
    out,
  );
  const fetchFunnel = oneAtATime(async () => {
    if (!isShown("funnel")) return;
    try {
      const { stages } = await get("/api/state");
      draw(stages);
    } catch (why) {
      complain(why);
    }
  });

  function draw(stages) {
    const kinds = [...new Set(stages.map((stage) => stage.of))];
    refill(
      out,
      kinds.map((of) => {
        const those = stages.filter((stage) => stage.of === of);
        const most = Math.max(...those.map((stage) => stage.in ?? 0), 1);
        return element(
          "table",
          { class: "funnel" },
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              element("th", {}, of),
              element("th", { class: "n" }, "come"),
              element("td", { class: "bar" }),
              element("th", { class: "n" }, "held"),
              element("th", { class: "n" }, "refused"),
              element("th", { class: "n" }, "not asked"),
              element("th", { class: "n" }, "pass"),
            ),
          ),
          element(
            "tbody",
            {},
            those.map((stage) => line(stage, most)),
          ),
        );
      }),
    );
  }

  function line(stage, most) {
    const { kind, name, in: come, held, refused, undecided, model } = stage;
    // What comes to a question is not counted: what comes to the gates behind it is.
    const passed = come === null ? null : come - held - refused - undecided;
    const cell = (label, value) => element("td", { class: value ? "n" : "n none", "data-label": label }, value ? count(value) : "–");
    return element(
      "tr",
      { class: kind },
      element(
        "th",
        { scope: "row", title: model ?? null },
        outside(name),
        element("span", { class: "soft kind" }, ` ${KINDS[kind] ?? kind}`),
        model ? element("span", { class: "model soft" }, outside(model)) : null,
      ),
      cell("come", come),
      element("td", { class: "bar" }, bar({ passed: passed ?? 0, held, refused, undecided }, most)),
      cell("held", held),
      cell("refused", refused),
      cell("not asked yet", undecided),
      element(
        "td",
        { class: "n passed" },
        passed === null ? "" : [count(passed), element("span", { class: "soft share" }, ` ${percent(passed, come)}`)],
      ),
    );
  }

  state.on("settled", fetchFunnel);
  return { show: fetchFunnel };
}

// In hundreds of its width, so that it is as wide as its cell.
function bar(parts, most) {
  let x = 0;
  const drawn = PARTS.filter((part) => parts[part] > 0).map((part) => {
    // A part of a few rows among millions is still seen.
    const width = Math.max((100 * parts[part]) / most, 0.4);
    x += width;
    return shape("rect", { class: part, x: x - width, y: 0, width, height: 10 });
  });
  return shape("svg", { viewBox: "0 0 101 10", preserveAspectRatio: "none", "aria-hidden": "true" }, drawn);
}

const FAST = 1000;
const SLOW = 5000;
const MOST_RATES = 60;

export function startLanes(panel) {
  const out = element("div");
  const rates = new Map();
  let timer = null;
  panel.append(out);

  const fetchLanes = oneAtATime(async () => {
    clearTimeout(timer);
    if (!isShown("lanes") || document.hidden) return;
    try {
      draw(await get("/api/lanes"));
    } catch (why) {
      complain(why);
    }
    clearTimeout(timer);
    timer = setTimeout(fetchLanes, state.now?.applying ? FAST : SLOW);
  });

  function draw(lanes) {
    const heads = ["stage", "waits", "at work", "answered", "failed", "remembered", "rate", "last minute", "time", "cost"];
    const { pool, decoded_bytes: decoded } = lanes;
    refill(
      out,
      element(
        "p",
        { class: "about" },
        lanes.holds_up ? ["Holds up the source: ", element("b", {}, outside(lanes.holds_up)), ". "] : "Nothing holds up the source. ",
        lanes.cost === null || lanes.cost === undefined ? "" : ["Cost so far: ", element("b", {}, money(lanes.cost)), "."],
      ),
      element(
        "div",
        { class: "scrolls" },
        element(
          "table",
          { class: "lanes" },
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              heads.map((name, place) => element("th", { class: place ? "n" : null }, name)),
            ),
          ),
          element(
            "tbody",
            {},
            lanes.stages.map((stage) => line(stage, lanes.holds_up)),
          ),
        ),
      ),
      lanes.endpoints.length ? [element("h3", {}, "Servers"), element("ul", { class: "endpoints" }, lanes.endpoints.map(endpoint))] : null,
      element("h3", {}, "This machine"),
      element("p", {}, `${count(pool.threads)} threads decode, ${count(pool.queued)} pictures wait.`),
      decoded.of
        ? element(
            "p",
            { class: "budget" },
            element("meter", {
              min: 0,
              max: decoded.of,
              value: decoded.held,
              high: 0.9 * decoded.of,
              "aria-label": "Decoded pictures in memory",
            }),
            ` ${bytes(decoded.held)} of ${bytes(decoded.of)} are decoded pictures`,
          )
        : null,
    );
  }

  function line(stage, holdsUp) {
    const known = rates.get(stage.name) ?? [];
    known.push(stage.per_second ?? 0);
    if (known.length > MOST_RATES) known.shift();
    rates.set(stage.name, known);
    const cell = (text) => element("td", { class: text === "0" || text === "–" ? "n none" : "n" }, text);
    return element(
      "tr",
      { class: stage.name === holdsUp ? "slow" : null },
      element("th", { scope: "row" }, outside(stage.name), stage.name === holdsUp ? element("span", { class: "tag" }, "slowest") : null),
      cell(count(stage.queue)),
      cell(count(stage.at_work)),
      cell(count(stage.answered)),
      element("td", { class: stage.failed ? "n failed" : "n none" }, count(stage.failed)),
      cell(count(stage.remembered)),
      cell(rate(stage.per_second)),
      element("td", {}, spark(known)),
      cell(stage.seconds ? duration(stage.seconds) : "–"),
      cell(money(stage.cost) ?? "–"),
    );
  }

  state.on("progress", (progress, before) => Boolean(progress) !== Boolean(before) && fetchLanes());
  document.addEventListener("visibilitychange", fetchLanes);
  return { show: fetchLanes, hide: () => clearTimeout(timer) };
}

function endpoint({ name, trouble, state: how }) {
  return element(
    "li",
    { class: trouble ? "in-trouble" : null },
    element("code", {}, outside(name)),
    ` ${how}`,
    trouble ? element("span", { class: "message" }, ` ${trouble}`) : null,
  );
}

function spark(values) {
  const most = Math.max(...values, 1e-9);
  const points = values.map((value, place) => `${place},${(12 - (11 * value) / most).toFixed(1)}`).join(" ");
  return shape(
    "svg",
    { class: "spark", viewBox: `0 0 ${MOST_RATES} 13`, preserveAspectRatio: "none", "aria-hidden": "true" },
    values.length > 1 ? shape("polyline", { points }) : null,
  );
}
