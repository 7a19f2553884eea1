// The live page: which stream is chosen (it stands in the address), and what is shown of it.

import { sure } from "./panels/asking.js";
import { showAlerts, troubles } from "./panels/alerts.js";
import { Control } from "./panels/control.js";
import { byId, element, keyed, write } from "./dom.js";
import { showFigures } from "./panels/figures.js";
import { Grid } from "./picture/grid.js";
import { titled } from "./picture/painting.js";
import { Memory } from "./panels/memory.js";
import { Objects } from "./panels/objects.js";
import { Pointing } from "./picture/pointing.js";
import { Screen } from "./picture/screen.js";
import { RefusedError, SilentError, abilities, api, ask } from "./server.js";
import { Task } from "./panels/task.js";

const REFRESH_MS = 1000;
const BADGE_MS = 250;

let screen = null;
let shownName; // null while all are shown
let latest; // null while the server does not answer, undefined before it has
let offered = null;

const pointing = new Pointing(drawn, (error) => write(byId("message"), error.message));
const task = new Task(pointing, attempt, refresh);
const control = new Control(attempt, refresh);
const memory = new Memory();
const grid = new Grid();
const objects = new Objects({
  rename: (id, name) => attempt(() => ask(api(shownName, `/objects/${id}`), "PATCH", { name })),
  remove: async (id, name) => {
    const stream = shownName;
    if (!(await sure(`Stop following ${titled(id, name)}? Its name and memory cannot be brought back.`, "Stop following"))) return;
    byId("pointer").focus({ preventScroll: true });
    attempt(async () => {
      await ask(api(stream, `/objects/${id}`), "DELETE");
      await refresh();
    });
  },
  correct: (id) => {
    task.correct(task.object === id ? null : id);
    byId("pointer").focus();
    attempt(refresh);
  },
  mark: (id) => screen?.mark(id ?? task.object),
  point: () => byId("pointer").focus(),
});

let attempts = 0;

async function attempt(action) {
  const own = ++attempts;
  try {
    await action();
    if (own === attempts) write(byId("message"), ""); // a later one may have failed meanwhile
  } catch (error) {
    write(byId("message"), error.message);
  }
}

function drawn(hint, finger) {
  const send = task.aim(hint);
  return async (frame, answered) => {
    const { added, note } = await send(frame);
    write(byId("message"), note);
    answered();
    await refresh();
    if (added !== null && !finger) objects.edit(added);
  };
}

/** The stream in the address; a lone stream is chosen by itself. */
function chosen(streams) {
  const named = streams.find((stream) => `#${encodeURIComponent(stream.name)}` === location.hash);
  return (named ?? (streams.length === 1 ? streams[0] : null))?.name ?? null;
}

function choose(name) {
  if (name === shownName) return;
  screen?.close();
  shownName = task.stream = control.stream = name;
  latest = undefined;
  task.correct(null);
  write(byId("message"), "");
  byId("stream").hidden = name === null;
  byId("grid").hidden = name !== null;
  if (name !== null) grid.close();
  screen = name === null ? null : new Screen(name, offered?.has("/webrtc") ?? false, () => pointing.paint());
  pointing.watch(screen);
}

function showStreams(streams) {
  const links = streams.length > 1 ? ["", ...streams.map((stream) => stream.name)] : [];
  const shown = keyed(byId("streams"), links, (name) => element("a", { href: `#${encodeURIComponent(name)}` }));
  shown.forEach((link, i) => {
    const stream = streams[i - 1];
    write(link, stream ? stream.name : "All");
    if (stream) {
      link.dataset.state = stream.paused ? "paused" : stream.state;
      link.title = `${link.dataset.state}, ${stream.source}`;
    }
    if ((stream?.name ?? null) === shownName) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = shownName === null ? "ERMU live" : `${shownName} · ERMU live`;
}

async function refresh() {
  const { streams, policies } = await ask("api/streams");
  choose(chosen(streams));
  showStreams(streams);
  if (shownName === null) {
    showAlerts(streams.length ? [] : ["This server has no streams."]);
    grid.show(streams);
    return;
  }
  const asked = shownName;
  const stream = streams.find(({ name }) => name === asked);
  const [known, held] = await Promise.all([ask(api(asked, "/objects")), ask(api(asked, "/memory"))]);
  if (asked !== shownName) return;
  latest = stream;
  showAlerts([...troubles(stream), ...(screen.problem ? [screen.problem] : [])]);
  control.show(stream, policies);
  const ended = stream.state === "ended";
  byId("stream").dataset.state = stream.state;
  task.show(known.objects, ended);
  objects.canCorrect = !ended && (offered?.has("/refine") ?? false);
  objects.show(known.objects, stream, screen.live, task.object);
  screen.name(known.objects);
  screen.watch(stream);
  memory.show(held, known.objects);
  showFigures(stream, screen.way);
}

async function keepFresh() {
  try {
    if (!document.hidden) {
      offered ??= await abilities();
      await refresh();
    }
  } catch (error) {
    if (!(error instanceof RefusedError || error instanceof SilentError)) throw error; // a fault of the page's own
    lose(error);
  } finally {
    setTimeout(keepFresh, REFRESH_MS);
  }
}

function lose(error) {
  latest = null;
  offered = null;
  grid.lose();
  screen?.watch(null);
  showAlerts([error.message]);
}

window.addEventListener("hashchange", () => attempt(refresh));
window.addEventListener("resize", () => {
  screen?.paint();
  pointing.paint();
});
document.addEventListener("visibilitychange", () => (document.hidden ? screen?.close() : screen?.open()));
byId("measured").open = matchMedia("(min-width: 60rem)").matches;
setInterval(() => screen?.tell(latest), BADGE_MS);
keepFresh();
