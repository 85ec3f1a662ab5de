// Starts the page: the token, the state, the parts, the stream of events, and the keys that work everywhere.

import { findToken, get, keepToken, listen } from "./api.js";
import { say } from "./banner.js";
import { focusNeedle, startDials } from "./dials.js";
import { byId, element, refill } from "./dom.js";
import { forgetDrawings } from "./drawing.js";
import { startFunnel, startLanes } from "./funnel.js";
import { drawConnection, startHead } from "./head.js";
import { startLabels } from "./labels.js";
import { turnToAddress } from "./link.js";
import { countChanges, startChanges, startCompare, startCut } from "./pictures.js";
import { state } from "./state.js";
import { addTab, focusTab, showTab } from "./tabs.js";
import { refresh, step } from "./turns.js";

const KEYS = [
  ["On a needle", ""],
  ["← →", "one bucket (1/4096 of the scale); with Shift ten"],
  ["Page Up, Page Down", "5 % of the scale"],
  ["Home, End", "the ends of the scale"],
  ["+ −", "zoom in and out; wheel or pinch too"],
  ["0, double click", "shows the whole again"],
  ["Esc", "while dragging: back to where it stood"],
  ["Everywhere", ""],
  ["Ctrl-Z, Ctrl-Shift-Z", "undo, redo"],
  ["D, J, K", "to the needle in focus, the next, the one before"],
  ["P", "to the tabs beside the dials"],
  ["G B S U", "in labels: good, bad, skip, back"],
  ["← →", "in the dialog of a row: through the list; with Shift through the shard"],
  ["?", "this list"],
];

function showKeys() {
  const dialog = byId("text-dialog");
  refill(
    dialog,
    element("h2", {}, "Keys"),
    element(
      "dl",
      { class: "keys" },
      KEYS.map(([key, what]) =>
        what ? [element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)] : element("dt", { class: "over" }, key),
      ),
    ),
    element("form", { method: "dialog" }, element("button", { class: "main" }, "Close")),
  );
  dialog.showModal();
}

// A sheet at the foot of a narrow window: closed, half, or most of it.
function startSheet() {
  const side = byId("side");
  const words = { half: "More", full: "Less", closed: "Open" };
  const then = { half: "full", full: "closed", closed: "half" };
  const button = element("button", { id: "sheet", "aria-controls": "panels", on: { click: () => set(then[side.dataset.sheet]) } });
  const set = (to) => {
    side.dataset.sheet = to;
    button.textContent = words[to];
  };
  set("half");
  side.prepend(button);
  byId("tabs").addEventListener("click", () => side.dataset.sheet === "closed" && set("half"));
}

// The side stands under the head, however many lines that takes.
function followHead() {
  const top = byId("top");
  new ResizeObserver(() => document.documentElement.style.setProperty("--head", `${top.offsetHeight}px`)).observe(top);
}

function globalKeys(event) {
  if (event.target.closest?.("input, textarea, select")) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z") {
    event.preventDefault();
    step(event.shiftKey ? "/api/redo" : "/api/undo");
  } else if (event.ctrlKey && event.key.toLowerCase() === "y") {
    event.preventDefault();
    step("/api/redo");
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest?.("dialog")) {
    const work = { "?": showKeys, d: () => focusNeedle(), j: () => focusNeedle(1), k: () => focusNeedle(-1), p: () => focusTab() }[
      event.key
    ];
    if (!work) return;
    event.preventDefault();
    work();
  }
}

function hear(event, data) {
  if (event === "counts") state.take(data);
  else if (event === "progress") state.progress(data);
  else if (event === "published") refresh();
  else if (event === "trouble") say("trouble", data.what);
  else if (event === "shards") {
    const words = [
      ["come", data.come],
      ["left", data.left],
    ]
      .filter(([, shards]) => shards?.length)
      .map(([what, shards]) => `${shards.length} ${what} (${shards.slice(0, 5).join(", ")}${shards.length > 5 ? ", …" : ""})`);
    say("note", `Shards: ${words.join("; ")}.`);
    forgetDrawings();
    refresh();
  }
}

// Without a token: a page that was opened by a link that has none.
function askForToken() {
  const input = element("input", {
    type: "text",
    name: "token",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Address or token",
  });
  const form = element(
    "form",
    { class: "token" },
    element("h2", {}, "This page needs its token"),
    element(
      "p",
      {},
      "Paste the address that the program printed when it started, or the token in it. A tab at this address that is open already gives it too: open it, then reload this one.",
    ),
    input,
    element("button", { class: "main" }, "Open"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = input.value.trim();
    keepToken(given.match(/[?&]token=([^&#\s]+)/)?.[1] ?? given);
    location.reload();
  });
  byId("top").hidden = true;
  refill(document.querySelector("main"), form);
  input.focus();
}

// What the page begins with; without it there is nothing to show, and a word on why.
async function firstState() {
  try {
    state.take(await get("/api/state"));
    return true;
  } catch (why) {
    if (why.status === 401) askForToken();
    say("trouble", why.message);
    return false;
  }
}

async function start() {
  if (!(await findToken())) {
    askForToken();
    return;
  }
  byId("keys").addEventListener("click", showKeys);
  document.addEventListener("keydown", globalKeys);
  startHead(showTab);
  startDials();
  addTab("at the cut", startCut);
  addTab("enters", startChanges("enter", "enters", "are kept now, and not in what is published"));
  addTab("leaves", startChanges("leave", "leaves", "are in what is published, and not kept now"));
  addTab("labels", startLabels);
  addTab("funnel", startFunnel);
  addTab("lanes", startLanes);
  addTab("compare", startCompare);
  countChanges();
  startSheet();
  state.on("progress", (progress, before) => before && !progress && forgetDrawings());
  if (!(await firstState())) return;
  showTab(sessionStorage.getItem("threshflow tab") ?? "at the cut");
  turnToAddress();
  addEventListener("hashchange", turnToAddress);
  followHead();
  let first = true;
  listen(hear, (connection, seconds) => {
    drawConnection(connection, seconds);
    // A stream that is refused tells no reason; a request does, as when another start of the program has another token.
    if ((connection === "live" && !first) || (connection === "lost" && seconds >= 2)) refresh(true);
    first = false;
  });
}

start();
