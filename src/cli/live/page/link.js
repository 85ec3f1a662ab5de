// Flags and links that carry the dials: `#aesthetic=5.1&follows%5Bremove%5D=top:30%25`.

import { get } from "./api.js";
import { say } from "./banner.js";
import { byId, element, refill } from "./dom.js";
import { number } from "./format.js";
import { state } from "./state.js";
import { complain, newGesture, turnAll } from "./turns.js";

export async function copyFlags() {
  try {
    const { flags } = await get("/api/state");
    await copy(flags || "", flags ? "flags" : "flags (every dial is at its default)", byId("copy-flags"));
  } catch (why) {
    complain(why);
  }
}

// Of every dial, so that the link means the same when the defaults have changed. The token is not in it.
export function copyLink() {
  const dials = state.now.dials
    .filter((dial) => !dial.open)
    .map((dial) => {
      const setting = dial.setting.startsWith("top:") ? dial.setting : number(Number(dial.setting));
      return `${encodeURIComponent(dial.name)}=${encodeURIComponent(setting).replaceAll("%3A", ":")}`;
    });
  const address = new URL(location.href);
  address.hash = dials.join("&");
  return copy(String(address), "link", byId("copy-link"));
}

async function copy(text, what, button) {
  try {
    await navigator.clipboard.writeText(text);
    copied(button);
  } catch {
    // No clipboard: the page is at another host than this machine and not under https, or the browser was told so.
    showText(what, text);
  }
}

function copied(button) {
  if (button.dataset.copied) return;
  const label = [...button.childNodes];
  button.dataset.copied = "yes";
  refill(button, "Copied");
  setTimeout(() => {
    delete button.dataset.copied;
    refill(button, label);
  }, 1200);
}

function showText(what, text) {
  const dialog = byId("text-dialog");
  const area = element("textarea", { readonly: true, rows: 4, "aria-label": what }, text);
  refill(
    dialog,
    element("h2", {}, `The ${what}, to be copied`),
    area,
    element("form", { method: "dialog" }, element("button", { class: "main" }, "Close")),
  );
  dialog.showModal();
  area.select();
}

// Turns the dials that the address carries, if it does. They leave it then: a reload must not turn what was turned since.
export function turnToAddress() {
  const carried = location.hash.slice(1);
  if (!carried.includes("=")) return;
  const address = new URL(location.href);
  address.hash = "";
  history.replaceState(null, "", address.href.replace(/#$/, ""));
  const settings = {};
  for (const part of carried.split("&")) {
    const [name, setting] = part.split("=", 2).map(decoded);
    if (!state.dial(name)) {
      say(
        "trouble",
        `The link turns ${name}, and this pipeline has no dial of that name; nothing was turned. It has ${state.now.dials.map((dial) => dial.name).join(", ")}.`,
      );
      return;
    }
    settings[name] = setting ?? "";
  }
  turnAll(settings, newGesture("link"));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
