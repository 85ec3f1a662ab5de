// The head of the page: counts, what an apply would ask, its progress, and the buttons.

import { get, post } from "./api.js";
import { say } from "./banner.js";
import { byId, element, refill, setText } from "./dom.js";
import { clock, count, counted, duration, money, percent } from "./format.js";
import { copyFlags, copyLink } from "./link.js";
import { oneAtATime, state } from "./state.js";
import { complain, refresh, step } from "./turns.js";

// `show(tab)` opens a tab: the counts of what enters and leaves are ways to it.
export function startHead(show) {
  const press = (id, work) => byId(id).addEventListener("click", work);
  press("undo", () => step("/api/undo"));
  press("redo", () => step("/api/redo"));
  press("copy-flags", copyFlags);
  press("copy-link", copyLink);
  press("apply", apply);
  press("stop", stop);
  press("publish", publish);
  const facts = makeFacts(show);
  state.on("counts", (now) => {
    drawCounts(now, facts);
    drawProgress(now.applying);
    enable(now);
  });
  state.on("progress", (progress, before) => {
    drawProgress(progress);
    enable(state.now);
    // The last rows of an apply may have come without an event of their own.
    if (before && !progress) refresh();
  });
  state.on("settled", (now) => {
    plan();
    const told = `${count(now.kept)} of ${count(now.rows)} kept, ${count(now.enter)} enter, ${count(now.leave)} leave, ${count(now.undecided)} undecided`;
    setText(byId("spoken"), told);
  });
}

// `state`: "live", "lost" with the seconds until the next try, or "" before the first.
export function drawConnection(connection, seconds) {
  const line = byId("connection");
  line.className = connection;
  const words =
    connection === "lost"
      ? `Connection lost. Trying again in ${seconds < 1 ? "half a second" : `${Math.round(seconds)} s`}; what is shown may be old.`
      : "";
  setText(line, words);
}

function makeFacts(show) {
  const fact = (name, tab, title, place = "facts") => {
    const number = element("b");
    const root = tab
      ? element("button", { class: `fact ${name}`, title, on: { click: () => show(tab) } }, number, element("span"))
      : element("span", { class: `fact ${name}`, title }, number, element("span"));
    byId(place).append(root);
    return (text, words) => {
      root.hidden = text === null;
      setText(root.firstChild, text ?? "");
      setText(root.lastChild, words);
    };
  };
  return {
    enter: fact("enter", "enters", "Kept now, and not in what is published. Shows them.", "change"),
    leave: fact("leave", "leaves", "In what is published, and not kept now. Shows them.", "change"),
    undecided: fact("undecided", "funnel", "A question about them is not asked yet: an apply asks it."),
    refused: fact("refused", "funnel", "A stage could not answer about them. Those that are refused for now, an apply asks again."),
    pieces: fact("pieces", null, "Of the pieces of all pictures.", "standing"),
    published: fact("published", null, "What the output folder holds now.", "standing"),
  };
}

function drawCounts(now, facts) {
  setText(byId("pipeline"), now.pipeline);
  document.title = `${now.pipeline}: ${count(now.kept)} kept`;
  setText(byId("kept"), count(now.kept));
  setText(byId("rows"), count(now.rows));
  setText(byId("kept-share"), percent(now.kept, now.rows));
  facts.enter(`+${count(now.enter)}`, "enter");
  facts.leave(`−${count(now.leave)}`, "leave");
  facts.undecided(count(now.undecided), "undecided");
  const again = now.failed ? `refused (${count(now.failed)} for now)` : "refused";
  facts.refused(now.refused ? count(now.refused) : null, again);
  const pieces = (now.pieces ?? []).filter((piece) => piece.found);
  facts.pieces(pieces.length ? pieces.map((piece) => `${count(piece.kept)} ${piece.of}`).join(", ") : null, "kept");
  const { published } = now;
  facts.published(published ? count(published.rows) : "nothing", published ? `published ${clock(published.at)}` : "published yet");
}

function enable(now) {
  const able = {
    undo: now.undo > 0,
    redo: now.redo > 0,
    apply: !now.applying,
    stop: Boolean(now.applying) && !now.applying.stopping,
    publish: !now.applying && now.decided,
  };
  for (const [id, is] of Object.entries(able)) byId(id).disabled = !is;
  // What comes next is the button that stands out.
  byId("apply").classList.toggle("main", now.undecided > 0 || (now.asks?.length ?? 0) > 0);
  byId("publish").classList.toggle("main", !byId("apply").classList.contains("main") && (now.enter > 0 || now.leave > 0));
  byId("copy-flags").disabled = byId("copy-link").disabled = false;
  byId("undo").title = now.undo ? `${counted(now.undo, "step", "steps")} (Ctrl-Z)` : "Nothing to undo";
  byId("redo").title = now.redo ? `${counted(now.redo, "step", "steps")} (Ctrl-Shift-Z)` : "Nothing to redo";
  byId("publish").title = !now.decided
    ? "Not possible while questions are open: apply first"
    : "Writes what is kept to the output";
}

const plan = oneAtATime(async () => {
  try {
    drawPlan(await get("/api/plan"));
  } catch (why) {
    if (why.status !== 409) complain(why);
    refill(byId("plan"));
  }
});

function drawPlan({ asks, calls, cost, seconds, open_shares: shares }) {
  const stages = Object.entries(asks ?? {}).filter(([, questions]) => questions > 0);
  const words = [];
  if (stages.length === 0) {
    words.push("An apply would ask nothing.");
  } else {
    words.push(
      "An apply would ask ",
      stages.map(([stage, questions], place) => [place ? ", " : "", element("b", {}, count(questions)), " ", element("bdi", {}, stage)]),
    );
    const paid = calls
      ? [
          `: ${counted(calls, "call", "calls")}`,
          cost === null || cost === undefined ? ", cost not known yet" : [", about ", element("b", {}, money(cost))],
        ]
      : [];
    words.push(
      paid,
      ", ",
      seconds === null || seconds === undefined ? "time not known yet" : [seconds < 1 ? "" : "about ", element("b", {}, duration(seconds))],
      ".",
    );
  }
  for (const share of shares ?? [])
    words.push(" ", `${share.dial}=${share.share} may still move: up to ${count(share.unasked)} more come to it.`);
  refill(byId("plan"), words);
}

function drawProgress(progress) {
  const box = byId("progress");
  box.hidden = !progress;
  // What is being asked is told by the progress; a plan beside it would say that nothing is left.
  byId("plan").hidden = Boolean(progress);
  if (!progress) return;
  const {
    asked,
    answered,
    failed,
    to_go: toGo,
    seconds_left: left,
    cost,
    cost_left: costLeft,
    stopping,
    stages,
    held_up_by: heldUp,
  } = progress;
  const bar = element("progress", {
    max: Math.max(answered + failed + toGo, 1),
    value: answered + failed,
    "aria-label": "Questions answered",
  });
  const said = [
    stopping ? "Stopping: what is under way is still remembered. " : "",
    `${count(answered)} answered of ${count(asked)} asked, `,
    failed ? `${count(failed)} failed, ` : "",
    `${count(toGo)} to go`,
    left === null ? "" : `, ${duration(left)} left`,
    cost === null ? "" : `, ${money(cost)} so far`,
    costLeft ? `, ${money(costLeft)} to come` : "",
  ];
  const busy = (stages ?? []).filter((stage) => stage.queue || stage.at_work);
  const lanes = busy.map((stage) =>
    element(
      "span",
      { class: stage.name === heldUp ? "lane slow" : "lane" },
      element("bdi", {}, stage.name),
      ` ${count(stage.queue)} wait, ${count(stage.at_work)} at work`,
      stage.name === heldUp ? ": holds up the rest" : "",
    ),
  );
  refill(box, bar, element("span", {}, said), lanes);
}

async function apply() {
  byId("apply").disabled = true;
  const { told } = state;
  try {
    const progress = await post("/api/apply");
    // An event that came before the answer is newer than it: it may have told the end of the asking already.
    if (state.told === told) state.progress(progress);
  } catch (why) {
    complain(why);
    enable(state.now);
  }
}

async function stop() {
  byId("stop").disabled = true;
  try {
    state.take(await post("/api/stop"));
  } catch (why) {
    complain(why);
  }
}

async function publish() {
  byId("publish").disabled = true;
  try {
    const { published, written, kept_parts: kept, summary } = await post("/api/publish");
    say(
      "note",
      `Published ${counted(published.rows, "row", "rows")}: ${counted(written, "part", "parts")} written, ${count(kept)} kept as they were.`,
      summary,
    );
    await refresh();
  } catch (why) {
    complain(why);
    enable(state.now);
  }
}
