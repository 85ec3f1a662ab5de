// The tabs at the side. A view is made when it is first shown, and works only while it is seen.

import { byId, element, setText } from "./dom.js";

const views = new Map();
let active = null;

// `start(panel)` makes the view and gives `{ show, hide }`, of which either may be missing.
export function addTab(name, start) {
  const id = name.replaceAll(" ", "-");
  const count = element("span", { class: "tab-count" });
  const tab = element(
    "button",
    {
      role: "tab",
      id: `tab-${id}`,
      "aria-controls": `panel-${id}`,
      "aria-selected": "false",
      tabindex: -1,
      on: { click: () => showTab(name), keydown: (event) => moveFrom(name, event) },
    },
    name,
    count,
  );
  const panel = element("div", { role: "tabpanel", id: `panel-${id}`, class: "panel", "aria-labelledby": `tab-${id}`, hidden: true });
  byId("tabs").append(tab);
  byId("panels").append(panel);
  views.set(name, { tab, panel, count, start, view: null });
}

export function showTab(name) {
  if (!views.has(name)) name = views.keys().next().value;
  if (active === name) return;
  const before = views.get(active);
  if (before) {
    before.panel.hidden = true;
    before.tab.setAttribute("aria-selected", "false");
    before.tab.tabIndex = -1;
    before.view.hide?.();
  }
  active = name;
  sessionStorage.setItem("threshflow tab", name);
  const now = views.get(name);
  now.panel.hidden = false;
  now.tab.setAttribute("aria-selected", "true");
  now.tab.tabIndex = 0;
  now.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  now.view ??= now.start(now.panel) ?? {};
  now.view.show?.();
}

export function isShown(name) {
  return active === name;
}

export function focusTab() {
  views.get(active).tab.focus();
}

// A number beside the name of a tab.
export function countTab(name, text) {
  setText(views.get(name).count, text);
}

function moveFrom(name, event) {
  const names = [...views.keys()];
  const place = names.indexOf(name);
  const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: names.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = names[(to + names.length) % names.length];
  showTab(next);
  views.get(next).tab.focus();
}
