// The server: the token, requests, and the stream of events. Nothing else of the page knows an address.

const KEPT_AS = "threshflow token";
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("threshflow") : null;
let token = null;

// What the server said no to, or that it said nothing: `status` is 0 then.
export class ApiError extends Error {
  constructor(status, what, body) {
    super(what);
    this.status = status;
    this.body = body;
  }
}

// The token of the address, of this tab before a reload, or of another tab at this server. It leaves the address bar at once, so that it
// is in no history and no screenshot. False where there is none.
export async function findToken() {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given) {
    sessionStorage.setItem(KEPT_AS, given);
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
  }
  token = sessionStorage.getItem(KEPT_AS) ?? (await fromOtherTab());
  if (token) keepToken(token);
  return Boolean(token);
}

export function keepToken(given) {
  token = given;
  sessionStorage.setItem(KEPT_AS, given);
}

// A link that was copied has no token; a tab of the same origin that is open may give it.
function fromOtherTab() {
  if (!channel) return null;
  return new Promise((resolve) => {
    const done = (found) => {
      channel.removeEventListener("message", hear);
      resolve(found);
    };
    const hear = ({ data }) => data?.token && done(data.token);
    channel.addEventListener("message", hear);
    channel.postMessage({ wanted: true });
    setTimeout(() => done(null), 1500);
  });
}

channel?.addEventListener("message", ({ data }) => {
  if (data?.wanted && token) channel.postMessage({ token });
});

function query(parameters) {
  const given = Object.entries(parameters ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

async function request(path, options) {
  const headers = { Authorization: `Bearer ${token}`, ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (why) {
    if (why.name === "AbortError") throw why;
    throw new ApiError(0, "The server does not answer. If it was stopped, start it again and open the address that it prints.");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  throw new ApiError(answer.status, body?.error ?? `${path}: the server answered ${answer.status}`, body);
}

export async function get(path, parameters, signal) {
  return (await request(path + query(parameters), { signal })).json();
}

export async function getText(path, parameters) {
  return (await request(path + query(parameters), {})).text();
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) })).json();
}

export async function postText(path, mediaType, body) {
  return (await request(path, { method: "POST", headers: { "Content-Type": mediaType }, body })).json();
}

// An address for <img> and EventSource, which can send no header.
export function withToken(path, parameters) {
  return path + query({ ...parameters, token });
}

const EVENTS = ["counts", "progress", "published", "shards", "trouble"];
const MOST_WAIT = 8000;
// A browser has six connections to a server over HTTP/1.1, for all tabs together. A tab that nobody sees gives its own back.
const HIDDEN_FOR = 20000;

// Listens until the page is left. `hear(event, data)` for what comes, `changed("live" | "lost", seconds until the next try)` for the
// connection. Each "live" may have missed events: the caller asks for the state.
export function listen(hear, changed) {
  let source = null;
  let wait = 500;
  let timer = null;
  let hidden = null;

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function open() {
    close();
    const mine = new EventSource(withToken("/api/events"));
    source = mine;
    mine.addEventListener("open", () => {
      wait = 500;
      changed("live");
    });
    // The browser's own tries end at an answer that is no stream (401, 503): one way of trying again serves both.
    mine.addEventListener("error", () => {
      if (source !== mine) return;
      close();
      changed("lost", wait / 1000);
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, MOST_WAIT);
    });
    for (const event of EVENTS) {
      mine.addEventListener(event, ({ data }) => hear(event, JSON.parse(data)));
    }
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(close, HIDDEN_FOR);
    else if (!source) open();
  });
  addEventListener("pagehide", close);
  open();
}
