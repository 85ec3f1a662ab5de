// Mouse and touch on a strip: drags of the needle, clicks, zoom by wheel and pinch, a double click back.

import { newGesture } from "./turns.js";

// So many pixels of movement make a press a drag.
const DRAG_FROM = 3;
// A click waits so long for a second one, which would be the double click that shows the whole again.
const DOUBLE_WITHIN = 240;
// Around the needle, what is grabbed is the needle; beyond, it jumps to the pointer.
const GRIP = 22;

export class Pointer {
  constructor(strip) {
    this.strip = strip;
    this.down = new Map();
    const canvas = strip.canvas;
    const listeners = {
      pointerdown: this.press,
      pointermove: this.move,
      pointerup: this.release,
      pointercancel: this.cancel,
      pointerleave: () => strip.read(null),
      mousedown: (event) => event.preventDefault(),
      dblclick: this.back,
      contextmenu: (event) => this.drag && event.preventDefault(),
    };
    // A mouse that goes down would take the focus from the needle, and with it the keys.
    for (const [event, listener] of Object.entries(listeners)) canvas.addEventListener(event, listener.bind(this));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => event.key === "Escape" && this.revert());
  }

  xOf(event) {
    return event.clientX - this.strip.canvas.getBoundingClientRect().left;
  }

  press(event) {
    const { strip } = this;
    if (event.button !== 0 || event.target === strip.whole) return;
    strip.handle.focus({ preventScroll: true });
    if (!strip.plot.histogram) return;
    const x = this.xOf(event);
    this.down.set(event.pointerId, x);
    if (this.down.size === 2) {
      this.revert();
      this.pinch = [...this.down.values()];
      return;
    }
    const needle = strip.plot.xOf(strip.shownValue);
    const grabbed = Math.abs(x - needle) <= GRIP;
    // A finger beside the needle may be about to scroll the page: only a tap, or the needle itself, turns the dial.
    const mayDrag = grabbed || event.pointerType !== "touch";
    this.drag = {
      id: event.pointerId,
      from: x,
      offset: grabbed ? needle - x : 0,
      grabbed,
      mayDrag,
      moved: false,
      before: strip.dial.setting,
      gesture: newGesture("drag"),
    };
    if (mayDrag) strip.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    const { strip, drag } = this;
    const x = this.xOf(event);
    if (this.down.has(event.pointerId)) this.down.set(event.pointerId, x);
    if (this.pinch) return this.pinched();
    if (!drag || drag.id !== event.pointerId) {
      if (event.pointerType !== "touch" && strip.plot.histogram) strip.read(x);
      return;
    }
    if (!drag.mayDrag || (!drag.moved && Math.abs(x - drag.from) < DRAG_FROM)) return;
    drag.moved = true;
    strip.canvas.classList.add("dragging");
    strip.read(null);
    const at = Math.min(Math.max(x + drag.offset, 0), strip.plot.width);
    strip.turnTo(strip.plot.valueAt(at), drag.gesture, strip.pixelStep);
  }

  pinched() {
    const now = [...this.down.values()];
    const [wide, wideBefore] = [now, this.pinch].map(([one, other]) => Math.max(Math.abs(one - other), 8));
    const [middle, middleBefore] = [now, this.pinch].map(([one, other]) => (one + other) / 2);
    this.pinch = now;
    this.strip.plot.pan(middleBefore - middle);
    this.strip.zoom(wideBefore / wide, middle);
  }

  release(event) {
    const { strip, drag } = this;
    this.down.delete(event.pointerId);
    if (this.pinch) {
      if (this.down.size < 2) this.pinch = null;
      return;
    }
    if (!drag || drag.id !== event.pointerId) return;
    this.end();
    if (drag.moved || drag.grabbed) return;
    const value = strip.plot.valueAt(this.xOf(event));
    clearTimeout(this.click);
    this.click = setTimeout(() => strip.turnTo(value, drag.gesture, strip.pixelStep), DOUBLE_WITHIN);
  }

  cancel(event) {
    this.down.delete(event.pointerId);
    this.pinch = null;
    // The browser took the gesture for a scroll: what it did to the dial was not meant.
    this.revert();
  }

  // Back to where the dial stood before the drag.
  revert() {
    const { drag } = this;
    if (!drag) return;
    this.end();
    if (drag.moved) this.strip.set(drag.before, drag.gesture);
  }

  end() {
    this.drag = null;
    this.strip.canvas.classList.remove("dragging");
  }

  back() {
    clearTimeout(this.click);
    if (this.strip.plot.histogram) this.strip.unzoom();
  }

  // Only over the strip in focus, or with Ctrl (as a pinch on a touchpad is told): elsewhere the wheel scrolls the page.
  wheel(event) {
    const { strip } = this;
    if (!strip.plot.histogram || !(event.ctrlKey || strip.root.classList.contains("focus"))) return;
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? 16 : 1;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      strip.pan((event.deltaX || event.deltaY) * pixels);
      return;
    }
    strip.zoom(Math.exp(event.deltaY * pixels * (event.ctrlKey ? 0.01 : 0.0015)), this.xOf(event));
  }
}
