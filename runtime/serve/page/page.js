// The live page: shows a stream, lets boxes and clicks add objects, and draws the memory.
"use strict";

const byId = (id) => document.getElementById(id);
const video = byId("video");
const canvas = byId("drawing");
const REFRESH_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";

let chosen = null;

function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

async function ask(path, method = "GET", body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  const content = await answer.json();
  if (!answer.ok) {
    throw new Error([content.problem, content.expected && `Expected: ${content.expected}`, content.fix].filter(Boolean).join(" "));
  }
  return content;
}

async function attempt(action) {
  try {
    await action();
    byId("message").textContent = "";
  } catch (error) {
    byId("message").textContent = error.message;
  }
}

const api = (path = "") => `/api/streams/${encodeURIComponent(chosen)}${path}`;

function choose(name) {
  if (name === chosen) return;
  chosen = name;
  video.src = `/streams/${encodeURIComponent(name)}/video.mjpeg`;
  attempt(refresh);
}

// Drawing. The picture is frozen while a box is drawn, and the box goes with that picture's frame number: the
// object is found where it was then, however far it has moved since.
let stroke = null;

function position(event) {
  const area = canvas.getBoundingClientRect();
  const x = ((event.clientX - area.left) / area.width) * stroke.width;
  const y = ((event.clientY - area.top) / area.height) * stroke.height;
  return [Math.min(Math.max(x, 0), stroke.width - 1), Math.min(Math.max(y, 0), stroke.height - 1)];
}

async function freeze(width) {
  const answer = await fetch(`/streams/${encodeURIComponent(chosen)}/frame.jpg`);
  if (!answer.ok) throw new Error((await answer.json()).problem);
  const picture = await createImageBitmap(await answer.blob());
  return { picture, frame: Number(answer.headers.get("X-Ermu-Frame")), scale: width / picture.width };
}

function paint() {
  const context = canvas.getContext("2d");
  canvas.width = canvas.clientWidth;
  canvas.height = canvas.clientHeight;
  if (!stroke) return;
  if (stroke.frozen) context.drawImage(stroke.frozen.picture, 0, 0, canvas.width, canvas.height);
  const [scaleX, scaleY] = [canvas.width / stroke.width, canvas.height / stroke.height];
  const [x0, y0] = stroke.from;
  const [x1, y1] = stroke.to;
  context.lineWidth = 2;
  context.strokeStyle = "#fff";
  context.setLineDash([6, 4]);
  context.strokeRect(x0 * scaleX, y0 * scaleY, (x1 - x0) * scaleX, (y1 - y0) * scaleY);
}

canvas.addEventListener("pointerdown", (event) => {
  if (!latest || !latest.width) return;
  canvas.setPointerCapture(event.pointerId);
  stroke = { width: latest.width, height: latest.height };
  stroke.from = stroke.to = position(event);
  const own = stroke;
  own.ready = freeze(own.width).then((frozen) => {
    own.frozen = frozen;
    if (stroke === own) paint();
  });
  own.ready.catch(() => {});
});

canvas.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  stroke.to = position(event);
  paint();
});

canvas.addEventListener("pointercancel", () => {
  stroke = null;
  paint();
});

canvas.addEventListener("pointerup", (event) => {
  if (!stroke) return;
  stroke.to = position(event);
  const done = stroke;
  attempt(async () => {
    await done.ready;
    await ask(api("/objects"), "POST", { ...hintOf(done), frame: done.frozen.frame });
    await refresh();
  }).finally(() => {
    if (stroke === done) stroke = null;
    paint();
  });
});

function hintOf({ from, to }) {
  const [x0, x1] = [from[0], to[0]].sort((a, b) => a - b);
  const [y0, y1] = [from[1], to[1]].sort((a, b) => a - b);
  const dragged = x1 - x0 > 5 || y1 - y0 > 5;
  return dragged ? { box: [x0, y0, x1, y1] } : { points: [{ x: from[0], y: from[1] }] };
}

// Panels.
let latest = null;

function showStreams(streams) {
  const nav = byId("streams");
  const shown = [...nav.children].map((button) => button.dataset.name).join();
  if (shown !== streams.map((stream) => stream.name).join()) {
    nav.replaceChildren(...streams.map((stream) => {
      const button = element("button", { type: "button" });
      button.dataset.name = stream.name;
      button.addEventListener("click", () => choose(stream.name));
      return button;
    }));
  }
  streams.forEach((stream, i) => {
    nav.children[i].textContent = `${stream.name} · ${stream.state}`;
    nav.children[i].title = stream.source;
    nav.children[i].setAttribute("aria-pressed", stream.name === chosen);
  });
}

function showPolicies(policies) {
  const menu = byId("policy");
  if (menu.options.length === policies.length) return;
  menu.replaceChildren(...policies.map(({ name, help }) => element("option", { value: name, textContent: name, title: help })));
}

function showStream(stream) {
  const badge = byId("badge");
  badge.dataset.state = stream.paused ? "paused" : stream.state;
  const age = stream.state === "stale" ? `, ${stream.staleness_seconds.toFixed(0)} s old` : "";
  badge.textContent = stream.paused ? "paused" : stream.state + age;
  byId("pause").textContent = stream.paused ? "Resume" : "Pause";
  if (document.activeElement !== byId("policy")) byId("policy").value = stream.policy;
  const figures = {
    source: stream.source,
    backend: `${stream.backend}, ${stream.precision}`,
    size: `${stream.width} × ${stream.height}`,
    "FPS in / out": `${stream.fps_in.toFixed(1)} / ${stream.fps_out.toFixed(1)}`,
    "frames / dropped": `${stream.frames} / ${stream.dropped}`,
    reconnects: stream.reconnects,
    viewers: stream.viewers,
    ...Object.fromEntries(stream.sinks.map((sink) => [`sink ${sink.name}`, sink.error ?? `${sink.state}, ${sink.dropped} dropped`])),
    ...(stream.error ? { error: stream.error } : {}),
  };
  byId("figures").replaceChildren(...Object.entries(figures).flatMap(([name, value]) => [
    element("dt", { textContent: name }), element("dd", { textContent: value }),
  ]));
  byId("stages").replaceChildren(...Object.entries(stream.milliseconds).map(([stage, ms]) => element("tr", {}, [
    element("td", { textContent: stage.replaceAll("_", " ") }),
    ...["p50", "p90", "p99", "max"].map((q) => element("td", { textContent: (ms[q] ?? 0).toFixed(1) })),
  ])));
}

function showObjects(objects) {
  const list = byId("objects");
  const ids = objects.map((object) => object.id).join();
  if (list.dataset.ids !== ids) {
    list.dataset.ids = ids;
    list.replaceChildren(...objects.map(objectRow));
  }
  objects.forEach((object, i) => {
    const [, name, state] = list.children[i].children;
    if (document.activeElement !== name) name.value = object.name;
    state.textContent = object.state;
    state.dataset.state = object.state;
  });
}

function objectRow(object) {
  const swatch = element("span", { className: "swatch" });
  swatch.style.background = object.colour;
  const name = element("input", { value: object.name, maxLength: 64 });
  name.setAttribute("aria-label", `Name of object ${object.id}`);
  name.addEventListener("change", () => attempt(() => ask(api(`/objects/${object.id}`), "PATCH", { name: name.value })));
  const remove = element("button", { type: "button", textContent: "Remove" });
  remove.setAttribute("aria-label", `Remove object ${object.id}`);
  remove.addEventListener("click", () => attempt(async () => {
    await ask(api(`/objects/${object.id}`), "DELETE");
    await refresh();
  }));
  const row = element("li", {}, [swatch, name, element("span", { className: "state" }), remove]);
  row.dataset.id = object.id;
  return row;
}

// The memory: a bar a frame from when it came in, as tall as its relevance, hollow where it has left.
function showMemory(memory) {
  byId("memory-note").textContent = `policy ${memory.policy}, up to ${memory.capacity} frames a group`;
  byId("timeline").replaceChildren(...memory.groups.map((group) => chart(group, memory.frame)));
  const gone = memory.groups.flatMap((group) => group.evictions.slice(-3).map((record) => ({ ...record, ids: group.ids })));
  gone.sort((a, b) => b.at - a.at);
  byId("evictions").replaceChildren(...gone.slice(0, 5).map((record) => element("li", {
    textContent: `At frame ${record.at} frame ${record.frame} left (objects ${record.ids.join(", ")}). ${record.reason}`,
  })));
}

function chart(group, now) {
  const [width, height, base] = [720, 92, 66];
  const recent = group.evictions.slice(-24);
  const first = Math.min(...group.held.map((entry) => entry.frame).slice(1), ...recent.map((entry) => entry.frame), now);
  const place = (frame) => frame < first ? 22 : 48 + ((frame - first) / Math.max(now - first, 1)) * (width - 72);
  const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Memory of objects ${group.ids.join(", ")}` });
  drawing.append(shape("line", { class: "axis", x1: 8, x2: width - 8, y1: base, y2: base }));
  for (const entry of recent) drawing.append(...evictedBar(entry, place, base));
  for (const entry of group.held) drawing.append(heldBar(entry, place, base));
  drawing.append(shape("text", { x: 8, y: height - 4 }, `objects ${group.ids.join(", ")}: ${group.held.length} frames held, ${group.evictions.length} evicted lately`));
  for (const frame of [first, now]) drawing.append(shape("text", { x: place(frame), y: base + 13, "text-anchor": "middle" }, frame));
  return drawing;
}

function tall(entry) {
  return 8 + 46 * Math.min(1, 2 * (entry.relevance_mean ?? entry.relevance ?? 0));
}

function about(entry) {
  const figures = ["relevance", "relevance_mean", "redundancy", "score"].filter((name) => entry[name] !== null);
  return [`frame ${entry.frame}`, ...figures.map((name) => `${name.replace("_", " ")} ${entry[name].toFixed(3)}`)].join("\n");
}

function heldBar(entry, place, base) {
  const bar = shape("rect", { class: "held", x: place(entry.frame) - 4, y: base - tall(entry), width: 8, height: tall(entry), rx: 2 });
  bar.setAttribute("fill-opacity", entry.redundancy === null ? 1 : Math.max(0.25, 1 - 2 * entry.redundancy));
  bar.append(shape("title", {}, about(entry)));
  return bar;
}

function evictedBar(entry, place, base) {
  const x = place(entry.frame);
  const bar = shape("rect", { class: "gone", x: x - 4, y: base - tall(entry), width: 8, height: tall(entry), rx: 2 });
  bar.append(shape("title", {}, `${about(entry)}\nleft at frame ${entry.at}: ${entry.reason}`));
  const cross = shape("path", { class: "cross", d: `M${x - 4} ${base - 4}l8 8m0 -8l-8 8`, "data-evicted": entry.frame });
  return [bar, cross];
}

async function refresh() {
  const { streams, policies } = await ask("/api/streams");
  showPolicies(policies);
  if (chosen === null && streams.length) return choose(streams[0].name);
  showStreams(streams);
  latest = streams.find((stream) => stream.name === chosen);
  if (!latest) return;
  const [objects, memory] = await Promise.all([ask(api("/objects")), ask(api("/memory"))]);
  showStream(latest);
  showObjects(objects.objects);
  showMemory(memory);
}

byId("pause").addEventListener("click", () => attempt(async () => {
  await ask(api("/control"), "POST", { action: latest.paused ? "resume" : "pause" });
  await refresh();
}));
byId("reset").addEventListener("click", () => attempt(async () => {
  await ask(api("/control"), "POST", { action: "reset" });
  await refresh();
}));
byId("policy").addEventListener("change", (event) => attempt(() => ask(api("/control"), "POST", { action: "policy", policy: event.target.value })));
window.addEventListener("resize", paint);

async function keepFresh() {
  if (!document.hidden) {
    try {
      await refresh();
    } catch (error) {
      byId("badge").dataset.state = "stale";
      byId("badge").textContent = "no answer from the server";
    }
  }
  setTimeout(keepFresh, REFRESH_MS);
}

keepFresh();
