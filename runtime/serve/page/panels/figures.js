// The stream's figures.

import { byId, element } from "../dom.js";

export function showFigures(stream, way) {
  const figures = {
    source: stream.source,
    runs: `${stream.backend}, ${stream.precision}`,
    size: `${stream.width} × ${stream.height}`,
    "FPS in / out": `${stream.fps_in.toFixed(1)} / ${stream.fps_out.toFixed(1)}`,
    "frames / dropped": `${stream.frames} / ${stream.dropped}`,
    reconnects: stream.reconnects,
    viewers: stream.viewers,
    "seen over": way,
    ...Object.fromEntries(stream.sinks.map((sink) => [`sink ${sink.name}`, sink.error ?? `${sink.state}, ${sink.dropped} dropped`])),
  };
  byId("figures").replaceChildren(...Object.entries(figures).flatMap(([name, value]) => [
    element("dt", { textContent: name }), element("dd", { textContent: value }),
  ]));
  byId("stages").replaceChildren(...Object.entries(stream.milliseconds).map(([stage, ms]) => element("tr", {}, [
    element("th", { scope: "row", textContent: stage.replaceAll("_", " ") }),
    ...["p50", "p90", "p99", "max"].map((q) => element("td", { textContent: (ms[q] ?? 0).toFixed(1) })),
  ])));
}
