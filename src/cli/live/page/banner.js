// Lines under the head that stay until they are closed: trouble, and what was published.

import { byId, element, refill } from "./dom.js";
import { count } from "./format.js";

const MOST = 4;
const shown = new Map();

// `kind`: "trouble" or "note". The same text once more is counted and not repeated. `more`: lines under the text.
export function say(kind, text, more) {
  const key = `${kind} ${text}`;
  const known = shown.get(key);
  if (known) {
    known.times += 1;
    refill(known.often, `${count(known.times)} times`);
    return;
  }
  const often = element("span", { class: "soft" });
  const close = () => {
    banner.remove();
    shown.delete(key);
  };
  const banner = element(
    "div",
    { class: `banner ${kind}`, role: kind === "trouble" ? "alert" : "status" },
    element("div", { class: "banner-text" }, text, " ", often, more ? element("pre", {}, more) : null),
    element("button", { class: "quiet", "aria-label": "Close this message", on: { click: close } }, "Close"),
  );
  shown.set(key, { times: 1, often, close });
  byId("banners").prepend(banner);
  // A stream of troubles must not push the dials off the screen.
  if (shown.size > MOST) shown.values().next().value.close();
}
