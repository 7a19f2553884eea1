// What pointing does now: follow something new, or correct an object that is followed.

import { byId, write } from "../dom.js";
import { titled } from "../picture/painting.js";
import { api, ask } from "../server.js";

const MOST_TAPS = 32;
const NO_TAPS = { object: null, frame: null, points: [] };

const HINTS = {
  new: "Drag a box around an object to follow it, or tap it.",
  positive: "Tap what belongs to the object and is not covered.",
  negative: "Tap what is covered and does not belong to the object.",
  box: "Drag the right box around the object.",
  ended: "The stream has ended: nothing new can be followed in it.",
};

export class Task {
  #pointing;
  #tool = "positive";
  #names = new Map();
  #taps = NO_TAPS; // on one picture: each is sent with those before it, for all of them hold
  #ended = false;
  stream = null;
  object = null;

  /** @param attempt runs an action and says what went wrong */
  constructor(pointing, attempt, changed) {
    this.#pointing = pointing;
    for (const button of byId("corrections").querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => {
        this.#tool = button.dataset.tool;
        this.#show();
      });
    }
    byId("done").addEventListener("click", () => {
      this.correct(null);
      changed();
    });
    byId("undo").addEventListener("click", () => attempt(async () => {
      await ask(api(this.stream, `/objects/${this.object}/undo`), "POST");
      this.#forgetTaps();
      changed();
    }));
    this.#show();
  }

  /** An object to correct, or null: pointing follows something new. */
  correct(id) {
    this.object = id;
    write(byId("message"), ""); // what it said was of another
    this.#tool = "positive";
    this.#show();
  }

  /** Knows the objects' names, and whether the stream has ended: then nothing is pointed at. */
  show(objects, ended) {
    this.#names = new Map(objects.map((object) => [object.id, object.name]));
    const [before, gone] = [this.#ended, this.object !== null && !this.#names.has(this.object)];
    this.#ended = ended;
    if (ended !== before || gone) this.correct(null);
    else this.#title();
  }

  /** What sends what was pointed at just now; its promise is `added`, the id of a new object, else null, and a `note`. */
  aim({ box, point }) {
    const [stream, object] = [this.stream, this.object];
    const tap = point && { x: point[0], y: point[1], positive: this.#tool !== "negative" };
    return async (frame) => {
      if (object === null) {
        const { ids } = await ask(api(stream, "/objects"), "POST", { ...(box ? { box } : { points: [tap] }), frame });
        if (tap) this.#tapped(tap, ids[0], frame); // corrected on the same picture, this one holds as well
        return { added: ids[0], note: "" };
      }
      if (box) this.#forgetTaps();
      const where = box ? { box } : { points: this.#tapped(tap, object, frame) };
      const { note } = await ask(api(stream, `/objects/${object}/refine`), "POST", { ...where, frame });
      return { added: null, note: note ?? "" };
    };
  }

  #tapped(tap, object, frame) {
    const before = object === this.#taps.object && frame === this.#taps.frame ? this.#taps.points : [];
    this.#taps = { object, frame, points: [...before, tap].slice(-MOST_TAPS) };
    return this.#taps.points;
  }

  #forgetTaps() {
    this.#taps = NO_TAPS;
  }

  #title() {
    if (this.#ended) write(byId("task"), "Ended");
    else write(byId("task"), this.object === null ? "New object" : `Correct ${titled(this.object, this.#names.get(this.object))}`);
  }

  #show() {
    const correcting = this.object !== null;
    const tool = this.#ended ? "ended" : correcting ? this.#tool : "new";
    this.#title();
    byId("corrections").hidden = !correcting;
    for (const button of byId("corrections").querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", button.dataset.tool === tool);
    }
    write(byId("hint"), HINTS[tool]);
    this.#pointing.wants = { new: "any", box: "box", ended: "nothing" }[tool] ?? "point";
    if (!correcting) this.#tool = "positive";
  }
}
