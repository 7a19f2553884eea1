// Pointing at the picture: with a mouse, a finger, or the arrow keys and Enter.
//
// The picture stands still from the first touch on, and what is drawn goes with that picture's frame number: the
// object is found where it was then, however far it has moved since. What is drawn while the server still answers
// what was drawn before goes with the same picture, and is sent next.

import { byId, write } from "../dom.js";
import { paintPointing, place } from "./painting.js";

const CLICK_PIXELS = { mouse: 4, pen: 6, touch: 10 };
const STEP = 1 / 50;
const FINE_STEP = 1 / 500;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pointing {
  #canvas = byId("pointer");
  #screen = null;
  #report;
  #fail;
  #stroke = null;
  #cross = null;
  #wants = "any";
  #sent = Promise.resolve(); // what was drawn before has been answered

  /**
   * @param report called with { box } or { point } and whether a finger drew it, as soon as it is drawn; returns what
   *   sends it: called with the frame number and what to call when the server has answered; a promise
   * @param fail called with an error
   */
  constructor(report, fail) {
    [this.#report, this.#fail] = [report, fail];
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#leave());
    canvas.addEventListener("focus", () => this.#enter());
  }

  /** "any": a box or a click; "point": every touch is a click; "box": a click is none; "nothing": not now. */
  set wants(what) {
    this.#wants = this.#canvas.dataset.wants = what;
    if (what === "nothing") this.cancel();
  }

  watch(screen) {
    this.cancel();
    [this.#screen, this.#cross] = [screen, null];
    this.paint();
  }

  cancel() {
    if (!this.#stroke) return;
    this.#stroke = null;
    this.#screen.hold(null);
    this.paint();
  }

  paint() {
    const box = this.#stroke?.to && [this.#stroke.from, this.#stroke.to];
    paintPointing(this.#canvas, { cross: this.#cross, box, size: this.#stroke?.size ?? this.#screen?.shown?.size });
  }

  /** Whether there is a picture, and something to point at it for. */
  get #able() {
    return this.#wants !== "nothing" && Boolean(this.#screen?.shown);
  }

  /** Whether something is being drawn: what is on its way to the server is drawn already. */
  get #drawing() {
    return this.#stroke !== null && !this.#stroke.sending;
  }

  #begin(from, finger) {
    const frozen = this.#stroke?.frozen ?? this.#screen.freeze();
    const stroke = { from, to: from, finger, frozen, size: this.#screen.shown.size };
    this.#stroke = stroke;
    frozen.then((picture) => this.#stroke === stroke && this.#screen.hold(picture)).catch(() => {});
    this.paint();
  }

  #finish(hint) {
    const stroke = this.#stroke;
    if (this.#wants === "box" && hint.point) {
      this.#fail(new Error("That is a point: draw a box, from one corner to the other."));
      this.cancel();
      return;
    }
    stroke.sending = true;
    const send = this.#report(hint, stroke.finger);
    const answered = () => this.#stroke === stroke && this.cancel();
    this.#sent = this.#sent
      .then(() => stroke.frozen)
      .then(({ frame }) => send(frame, answered))
      .catch((error) => this.#fail(error))
      .finally(answered);
  }

  #where(event) {
    const area = this.#canvas.getBoundingClientRect();
    const { scale, left, top } = place(this.#screen.shown.size, area.width, area.height);
    return this.#inside([(event.clientX - area.left - left) / scale, (event.clientY - area.top - top) / scale]);
  }

  #inside([x, y]) {
    const [width, height] = this.#screen.shown.size;
    return [Math.min(Math.max(x, 0), width - 0.01), Math.min(Math.max(y, 0), height - 0.01)];
  }

  #down(event) {
    if (!this.#able || event.button !== 0 || this.#drawing) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#cross = null;
    this.#begin(this.#where(event), event.pointerType === "touch");
    this.#stroke.pixels = [event.clientX, event.clientY];
  }

  #move(event) {
    if (!this.#drawing || !this.#stroke.pixels) return;
    this.#stroke.to = this.#where(event);
    this.paint();
  }

  #up(event) {
    if (!this.#drawing || !this.#stroke.pixels) return;
    const stroke = this.#stroke;
    stroke.to = this.#where(event);
    const moved = Math.max(Math.abs(event.clientX - stroke.pixels[0]), Math.abs(event.clientY - stroke.pixels[1]));
    const dragged = moved > (CLICK_PIXELS[event.pointerType] ?? 6);
    this.#finish(dragged && this.#wants !== "point" ? { box: boxOf(stroke) } : { point: stroke.from });
  }

  #enter() {
    if (!this.#canvas.matches(":focus-visible") || !this.#able) return;
    const [width, height] = this.#screen.shown.size;
    this.#cross ??= [width / 2, height / 2];
    this.paint();
  }

  #leave() {
    this.#cross = null;
    if (this.#drawing && !this.#stroke.pixels) this.cancel();
    this.paint();
  }

  #key(event) {
    if (!this.#able || event.altKey || event.ctrlKey || event.metaKey) return;
    const way = ARROWS[event.key];
    if (way) this.#steer(way, event.shiftKey ? FINE_STEP : STEP);
    else if (event.key === "Enter" || event.key === " ") event.repeat || this.#mark(); // held from a button that led here
    else if (event.key === "Escape") this.cancel();
    else return;
    event.preventDefault();
  }

  #steer([x, y], share) {
    const [width, height] = this.#screen.shown.size;
    const from = this.#cross ?? [width / 2, height / 2];
    const step = share * Math.max(width, height);
    this.#cross = this.#inside([from[0] + x * step, from[1] + y * step]);
    if (this.#drawing) this.#stroke.to = this.#cross;
    this.paint();
    this.#say("");
  }

  /** Enter: begins a box, ends it; where nothing lies between, it was a click. */
  #mark() {
    const [width, height] = this.#screen.shown.size;
    this.#cross ??= [width / 2, height / 2];
    if (!this.#drawing) {
      this.#begin(this.#cross, false);
      if (this.#wants === "point") this.#finish({ point: this.#cross });
      this.#say(this.#wants === "point" ? "Sent." : "Box begun.");
    } else if (!this.#stroke.pixels) {
      const [x0, y0, x1, y1] = boxOf(this.#stroke);
      this.#say("Sent.");
      this.#finish(x1 - x0 < 1 && y1 - y0 < 1 ? { point: this.#stroke.from } : { box: [x0, y0, x1, y1] });
    }
  }

  #say(what) {
    const [x, y] = this.#cross.map(Math.round);
    const on = (this.#screen.shown.objects ?? []).filter(([, x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1);
    const over = on.length ? `, over object ${on.map(([id]) => id).join(", ")}` : "";
    write(byId("spoken"), `${what} ${x}, ${y}${over}`.trim());
  }
}

function boxOf({ from, to }) {
  const [x0, x1] = [from[0], to[0]].sort((a, b) => a - b);
  const [y0, y1] = [from[1], to[1]].sort((a, b) => a - b);
  return [x0, y0, x1, y1];
}
