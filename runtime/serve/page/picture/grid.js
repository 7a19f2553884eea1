// All streams: a tile each, with a small picture that is asked for anew about once a second.

import { byId, element, keyed, write } from "../dom.js";
import { paint } from "./painting.js";
import { picture as address } from "../server.js";
import { troubles } from "../panels/alerts.js";
import { decoded } from "./video.js";

const PERIOD_MS = 1000;
const AT_ONCE = 3; // browsers open six connections to a server, and the page has other questions
const OLD_MS = 6000;

export class Grid {
  #grid = byId("grid");
  #shown = new Map();
  #streams = [];
  #running = false;

  show(streams) {
    this.#streams = streams;
    const tiles = keyed(this.#grid, streams.map((stream) => stream.name), (name) => this.#tile(name));
    streams.forEach((stream, i) => this.#update(tiles[i], stream));
    if (!this.#running) {
      this.#running = true;
      for (let i = 0; i < AT_ONCE; i++) this.#ask(i);
    }
  }

  close() {
    this.#running = false;
  }

  /** The server does not answer: no tile is live. */
  lose() {
    for (const tile of this.#grid.children) {
      const state = tile.querySelector(".state");
      state.dataset.state = "lost";
      write(state, "no answer");
    }
  }

  #tile(name) {
    const tile = element("a", { className: "tile", href: `#${encodeURIComponent(name)}` }, [
      element("div", { className: "screen" }, [element("canvas"), element("span", { className: "none", textContent: "No picture yet." })]),
      element("div", { className: "line" }, [element("strong", { textContent: name }), element("span", { className: "state" })]),
      element("p"),
    ]);
    tile.firstChild.firstChild.setAttribute("aria-hidden", "true");
    return tile;
  }

  #update(tile, stream) {
    const [, line, note] = tile.children;
    const old = performance.now() - (this.#shown.get(stream.name)?.came ?? -Infinity) > OLD_MS;
    const state = stream.paused ? "paused" : stream.state === "live" && old ? "stalled" : stream.state;
    const shown = line.lastChild;
    shown.dataset.state = state;
    write(shown, state === "live" ? `live · ${stream.fps_out.toFixed(1)} FPS` : state);
    const wrong = troubles(stream);
    note.dataset.state = wrong.length ? "wrong" : "";
    write(note, wrong[0] ?? stream.source);
  }

  /** Asks for every AT_ONCE-th stream's picture, one after the other. */
  async #ask(first) {
    while (this.#running) {
      const began = performance.now();
      for (let i = first; i < this.#streams.length && this.#running; i += AT_ONCE) await this.#fetch(this.#streams[i]);
      await new Promise((done) => setTimeout(done, Math.max(100, PERIOD_MS - (performance.now() - began))));
    }
  }

  async #fetch({ name, frame }) {
    try {
      if (document.hidden || frame < 0) return;
      const answer = await fetch(address(name, "preview.jpg"), { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) return;
      const shown = await decoded(await answer.blob(), answer.headers.get("X-Ermu-Picture"));
      const before = this.#shown.get(name);
      const came = before?.frame === shown.frame ? before.came : performance.now();
      before?.image.close();
      this.#shown.set(name, { ...shown, came });
      this.#paint(name);
    } catch {
      // the tile's picture grows old, and the tile says so
    }
  }

  #paint(name) {
    const tile = [...this.#grid.children].find((other) => other.dataset.key === name);
    if (!tile) return;
    tile.querySelector(".none").hidden = true;
    paint(tile.querySelector("canvas"), this.#shown.get(name));
  }
}
