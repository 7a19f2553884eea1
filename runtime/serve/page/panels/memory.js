// The memory: a bar a frame, as tall as its share of the most relevant one, hollow where it has left; each says why in words below.

import { byId, element, keyed, plural, write } from "../dom.js";
import { titled } from "../picture/painting.js";

const PITCH = 18;
const [LOW, TALL] = [6, 46];
const LABEL = 40;

export class Memory {
  #charts = byId("timeline");
  #chosen = new Map();
  #memory = null;
  #names = new Map();

  constructor() {
    new ResizeObserver(() => this.#memory && this.#draw()).observe(this.#charts);
  }

  show(memory, objects) {
    this.#memory = memory;
    this.#names = new Map(objects.map((object) => [object.id, titled(object.id, object.name)]));
    write(byId("memory-note"), `policy ${memory.policy}, up to ${plural(memory.capacity, "frame")} a group`);
    this.#draw();
    this.#list();
  }

  #draw() {
    const groups = this.#memory.groups;
    const charts = keyed(this.#charts, groups.map((group) => group.group), () => this.#chart());
    groups.forEach((group, i) => this.#update(charts[i], group));
  }

  #chart() {
    const bars = element("div", { className: "bars" });
    bars.setAttribute("role", "group");
    bars.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const next = step && [...bars.children].at([...bars.children].indexOf(document.activeElement) + step);
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
    const [title, told] = [element("h3"), element("p", { className: "told" })];
    return element("div", { className: "chart" }, [title, bars, told]);
  }

  #update(chart, group) {
    const [title, bars, told] = chart.children;
    write(title, this.#who(group.ids));
    bars.setAttribute("aria-label", `Memory of ${this.#who(group.ids)}: ${plural(group.held.length, "frame")} held`);
    const room = Math.max(group.held.length + 1, Math.floor(bars.clientWidth / PITCH));
    const held = new Set(group.held.map((entry) => entry.frame));
    const latest = new Map(group.evictions.map((record) => [record.frame, record])); // one may leave twice
    const left = [...latest.values()].filter((record) => !held.has(record.frame));
    const gone = left.slice(-Math.max(1, room - group.held.length));
    const entries = [...gone, ...group.held].sort((a, b) => a.frame - b.frame);
    const keys = entries.map((entry) => entry.frame);
    const focused = bars.contains(document.activeElement);
    if (!keys.includes(this.#chosen.get(group.group))) this.#chosen.set(group.group, undefined);
    const chosen = this.#chosen.get(group.group) ?? gone.at(-1)?.frame ?? keys.at(-1);
    const made = keyed(bars, keys, (frame) => this.#bar(group.group, frame));
    const every = Math.max(1, Math.ceil(LABEL / (bars.clientWidth / Math.max(keys.length, 1))));
    const most = Math.max(...entries.map(relevance), 1e-9);
    entries.forEach((entry, i) => {
      const labelled = (keys.length - 1 - i) % every === 0;
      dress(made[i], entry, relevance(entry) / most, labelled, entry.frame === chosen);
    });
    if (focused && !bars.contains(document.activeElement)) made.at(-1)?.focus();
    write(told, entries.filter((entry) => entry.frame === chosen).map(about).join(""));
  }

  #bar(group, frame) {
    const bar = element("button", { type: "button" }, [element("i"), element("span")]);
    const choose = () => {
      this.#chosen.set(group, frame);
      this.#draw();
    };
    for (const event of ["focus", "click", "pointerenter"]) bar.addEventListener(event, choose);
    return bar;
  }

  #list() {
    const gone = this.#memory.groups.flatMap((group) => group.evictions.slice(-4).map((record) => ({ ...record, ids: group.ids })));
    gone.sort((a, b) => b.at - a.at);
    byId("left-title").hidden = gone.length === 0;
    byId("evictions").replaceChildren(...gone.slice(0, 4).map((record) => element("li", {
      textContent: `Frame ${record.frame} of ${this.#who(record.ids)}, at frame ${record.at}. ${record.reason}`,
    })));
  }

  #who(ids) {
    const shown = ids.slice(0, 4).map((id) => this.#names.get(id) ?? id);
    return shown.join(", ") + (ids.length > 4 ? ` and ${ids.length - 4} more` : "");
  }
}

/** What an entry was worth when it was last scored; 0 before. */
function relevance(entry) {
  return entry.relevance_mean ?? entry.relevance ?? 0;
}

function dress(bar, entry, share, labelled, chosen) {
  const [fill, label] = bar.children;
  bar.dataset.state = entry.at === undefined ? "held" : "left";
  bar.tabIndex = chosen ? 0 : -1;
  bar.setAttribute("aria-pressed", chosen);
  bar.setAttribute("aria-label", about(entry));
  fill.style.height = `${LOW + (TALL - LOW) * share}px`;
  write(label, labelled ? `${entry.frame}` : "");
}

function about(entry) {
  const words = { relevance_mean: "relevance", redundancy: "redundancy", score: "score" };
  const figures = Object.entries(words).filter(([name]) => entry[name] != null).map(([name, word]) => `${word} ${entry[name].toFixed(3)}`);
  if (entry.at !== undefined) return `Frame ${entry.frame} left at frame ${entry.at}. ${entry.reason}`;
  return `Frame ${entry.frame} is held${figures.length ? `: ${figures.join(", ")}` : ", not scored yet"}.`;
}
