// Makes elements. All text goes in as text nodes and attributes: nothing that a server or a picture's key says is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

// Control characters are no text, and these turn the direction of what stands around them: a key could make the page read otherwise than
// it is. `src/report/html.rs` does the same.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

export function clean(text) {
  return String(text).replace(UNSEEN, "\ufffd");
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else {
      made.setAttribute(name, value === true ? "" : clean(value));
    }
  }
  append(made, children);
  return made;
}

function append(made, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    made.append(child instanceof Node ? child : clean(child));
  }
}

// `element("button", { class: "quiet", on: { click } }, "Undo")`. A value of false, null or undefined is left out.
export function element(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// Likewise of SVG.
export function shape(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// What stood in the element goes, and the children come.
export function refill(made, ...children) {
  made.replaceChildren();
  append(made, children);
  return made;
}

// Writes only what changed: a counter that stands still must not be laid out again sixty times a second.
export function setText(made, text) {
  const wanted = clean(text);
  if (made.textContent !== wanted) made.textContent = wanted;
}

export function setAttributes(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) made.removeAttribute(name);
    else if (made.getAttribute(name) !== String(value)) made.setAttribute(name, value);
  }
}

// A name from outside, kept apart from the direction of the text around it.
export function outside(text, attributes) {
  return element("bdi", attributes, text);
}

export function byId(id) {
  return document.getElementById(id);
}
