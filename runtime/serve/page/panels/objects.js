// The list of objects: number, name, what is known of each, and what can be done about it.

import { byId, element, keyed, seconds, write } from "../dom.js";

const SURE = 0.8;
const UNSURE = 0.6;

export class Objects {
  #list = byId("objects");
  #actions;
  canCorrect = false;

  /** @param actions rename(id, name), correct(id), remove(id, name), mark(id or null), point() */
  constructor(actions) {
    this.#actions = actions;
  }

  /** @param shown the picture on show, null where there is none */
  show(objects, stream, shown, chosen) {
    const rows = keyed(this.#list, objects.map((object) => object.id), (id) => this.#row(id));
    objects.forEach((object, i) => this.#update(rows[i], object, known(object, stream, shown), chosen));
  }

  /** Puts the cursor into an object's name. */
  edit(id) {
    const name = this.#list.querySelector(`li[data-key="${id}"] input`);
    name?.focus();
    name?.select();
  }

  #row(id) {
    const name = element("input", { maxLength: 64, autocomplete: "off", spellcheck: false });
    name.setAttribute("aria-label", `Name of object ${id}`);
    name.addEventListener("change", () => this.#actions.rename(id, name.value));
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#actions.point();
    });
    const correct = element("button", { type: "button", textContent: "Correct", className: "correct" });
    correct.setAttribute("aria-label", `Correct object ${id}`);
    correct.addEventListener("click", () => this.#actions.correct(id));
    const remove = element("button", { type: "button", textContent: "Remove", className: "remove" });
    remove.setAttribute("aria-label", `Stop following object ${id}`);
    remove.addEventListener("click", () => this.#actions.remove(id, name.value));
    const row = element("li", {}, [
      element("span", { className: "number", textContent: id }),
      name,
      element("span", { className: "state" }),
      element("span", { className: "buttons" }, [correct, remove]),
    ]);
    for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => this.#actions.mark(id));
    for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => this.#actions.mark(null));
    return row;
  }

  #update(row, object, { kind, text }, chosen) {
    const [number, name, state] = row.children;
    const correct = row.querySelector(".correct");
    number.style.background = object.colour;
    if (document.activeElement !== name) name.value = object.name;
    state.dataset.state = kind;
    write(state, text);
    correct.hidden = !this.canCorrect;
    correct.setAttribute("aria-pressed", object.id === chosen);
  }
}

/** What an object's state is worth, given the stream's: nothing is said to be in sight that is not drawn. */
function known(object, stream, shown) {
  const drawn = object.area > 0;
  const older = shown !== null && shown.frame <= object.added_frame && !shown.objects?.some(([id]) => id === object.id);
  if (object.state === "visible" && (!drawn || older)) return { kind: "waiting", text: "not drawn yet: begins with the next frame" };
  const details = drawn ? [share(object, stream), trust(object)].filter(Boolean) : [since(object, stream)];
  const words = { visible: "in sight", absent: "out of sight for a moment", lost: "lost" };
  const parts = [words[object.state] ?? object.state, ...details, ...(object.found ? [`found again ${object.found}×`] : [])];
  const halted = stream.paused ? "paused" : stream.state === "live" ? null : stream.state;
  if (halted) return { kind: "halted", text: `${halted}, then ${parts.join(" · ")}` };
  const unsure = drawn && object.score != null && object.score < UNSURE;
  return { kind: unsure ? "unsure" : object.state, text: parts.join(" · ") };
}

function share(object, stream) {
  const part = (100 * object.area) / Math.max(stream.width * stream.height, 1);
  return `${part < 1 ? part.toFixed(1) : Math.round(part)} % of the picture`;
}

function trust({ score }) {
  if (score == null) return null;
  const word = score >= SURE ? "sure" : score >= UNSURE ? "fairly sure" : "unsure";
  return `${word}, ${Math.round(100 * score)} %`;
}

function since(object, stream) {
  const ago = stream.fps_out > 0 && !stream.paused ? `, ${seconds(Math.max(0, stream.frame - object.seen_frame) / stream.fps_out)} ago` : "";
  return `last seen at frame ${object.seen_frame}${ago}`;
}
