// What the page knows of the session, and who wants to hear of changes. Counts come as answers to turns and as events, in any order: the
// newest version wins.

const SETTLED_AFTER = 200;
const MOST_UNSETTLED = 1000;

class State {
  constructor() {
    this.now = null;
    this.focus = null;
    this.listeners = new Map();
    this.timer = null;
    this.unsettledAt = null;
    // How often anything was told, by events or by answers.
    this.told = 0;
  }

  // "counts": each new version. "settled": once, when nothing has come for 200 ms; each second while an apply runs. "focus": another dial. "progress", "view".
  on(event, listener) {
    const known = this.listeners.get(event) ?? [];
    known.push(listener);
    this.listeners.set(event, known);
  }

  tell(event, ...what) {
    for (const listener of this.listeners.get(event) ?? []) listener(...what);
  }

  // `force`: after a pause of the connection, since a server that was started again counts its versions from the start.
  take(counts, force = false) {
    if (!force && this.now && counts.version < this.now.version) return;
    const before = this.now;
    this.told += 1;
    this.now = { ...before, ...counts };
    this.tell("counts", this.now, before);
    this.settle(before ? SETTLED_AFTER : 0);
  }

  settle(after) {
    const now = performance.now();
    this.unsettledAt ??= now;
    // While an apply runs, counts never cease to come.
    if (this.now.applying) after = Math.min(after, this.unsettledAt + MOST_UNSETTLED - now);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.unsettledAt = null;
      this.tell("settled", this.now);
    }, after);
  }

  progress(progress) {
    if (!this.now) return;
    const before = this.now.applying;
    this.told += 1;
    this.now = { ...this.now, applying: progress };
    this.tell("progress", progress, before);
  }

  dial(name) {
    return this.now?.dials.find((dial) => dial.name === name) ?? null;
  }

  focusOn(name) {
    if (this.focus === name) return;
    this.focus = name;
    sessionStorage.setItem("threshflow dial", name);
    this.tell("focus", name);
  }
}

export const state = new State();

// Runs `work` at most once at a time. Calls that come meanwhile are one more run, so that the last one sees the newest state.
export function oneAtATime(work) {
  let busy = false;
  let again = false;
  return async function run() {
    again = true;
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        await work();
      }
    } finally {
      busy = false;
    }
  };
}
