// Pause, the policy, and a reset that asks first.

import { sure } from "./asking.js";
import { byId, element } from "../dom.js";
import { api, ask } from "../server.js";

export class Control {
  stream = null;
  #paused = false;

  constructor(attempt, changed) {
    const order = (body) => attempt(async () => {
      await ask(api(this.stream, "/control"), "POST", body);
      await changed();
    });
    byId("pause").addEventListener("click", () => order({ action: this.#paused ? "resume" : "pause" }));
    byId("policy").addEventListener("change", (event) => order({ action: "policy", policy: event.target.value }));
    byId("reset").addEventListener("click", async () => {
      const question = `Forget every object of ${this.stream}, with their names and memories? This cannot be undone.`;
      if (await sure(question, "Forget everything")) order({ action: "reset" });
    });
  }

  show(stream, policies) {
    this.#paused = stream.paused;
    byId("pause").textContent = stream.paused ? "Resume" : "Pause";
    byId("pause").hidden = stream.state === "ended";
    const menu = byId("policy");
    if (menu.options.length !== policies.length) {
      menu.replaceChildren(...policies.map(({ name, help }) => element("option", { value: name, textContent: `${name}: ${help}` })));
    }
    if (document.activeElement !== menu) menu.value = stream.policy;
  }
}
