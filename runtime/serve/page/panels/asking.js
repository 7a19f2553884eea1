// What cannot be taken back is asked first.

import { byId, write } from "../dom.js";

/** Asks; the promise is whether the answer was yes. Escape says no. */
export function sure(question, yes) {
  const dialog = byId("sure");
  write(byId("question"), question);
  write(byId("yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answered) => {
    dialog.addEventListener("close", () => answered(dialog.returnValue === "yes"), { once: true });
  });
}
