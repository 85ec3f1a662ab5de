// Turns of dials on their way to the server: at most one request under way, at most sixty a second, and of each dial the newest value.

import { ApiError, get, post } from "./api.js";
import { say } from "./banner.js";
import { state } from "./state.js";

const LEAST_APART = 1000 / 60;

const waiting = new Map();
// What the server has not answered yet, by dial: the page shows it in place of what the server said last.
const unanswered = new Map();
let gesture = null;
let busy = false;
let sentAt = 0;
let gestures = 0;

// The name of a new gesture: turns in a row that have it are one step of undo.
export function newGesture(what) {
  gestures += 1;
  return `${what} ${Date.now().toString(36)} ${gestures}`;
}

// `setting` is a text as after `--set`: `5.1`, `top:30%`.
export function turn(name, setting, ofGesture) {
  turnAll({ [name]: setting }, ofGesture);
}

export function turnAll(settings, ofGesture) {
  for (const [name, setting] of Object.entries(settings)) {
    waiting.set(name, setting);
    unanswered.set(name, setting);
  }
  gesture = ofGesture;
  send();
}

// The setting that a dial is being turned to; null where the server's word stands.
export function underWay(name) {
  return unanswered.get(name) ?? null;
}

async function send() {
  if (busy || waiting.size === 0) return;
  const early = sentAt + LEAST_APART - performance.now();
  if (early > 0) {
    busy = true;
    await new Promise((resolve) => setTimeout(resolve, early));
    busy = false;
  }
  const dials = Object.fromEntries(waiting);
  waiting.clear();
  busy = true;
  sentAt = performance.now();
  try {
    const counts = await post("/api/turn", { dials, gesture });
    answered(dials);
    state.take(counts);
  } catch (why) {
    answered(dials);
    complain(why);
    await refresh();
  } finally {
    busy = false;
    send();
  }
}

function answered(dials) {
  for (const [name, setting] of Object.entries(dials)) {
    if (unanswered.get(name) === setting && !waiting.has(name)) unanswered.delete(name);
  }
}

export async function step(path) {
  try {
    state.take(await post(path));
  } catch (why) {
    complain(why);
  }
}

// The whole state. `afresh`: after a pause of the connection, when it may be another server's.
export async function refresh(afresh = false) {
  try {
    state.take(await get("/api/state"), afresh);
    return true;
  } catch (why) {
    complain(why);
    return false;
  }
}

export function complain(why) {
  if (why.name === "AbortError") return;
  if (!(why instanceof ApiError)) throw why;
  // Without an answer, the connection's own line says so.
  if (why.status !== 0) say("trouble", why.message);
}
