// What is wrong, at the top of the page.

import { byId, element, keyed, seconds, write } from "../dom.js";

export function showAlerts(texts) {
  const rows = keyed(byId("alerts"), texts.map((_, i) => i), () => element("li"));
  texts.forEach((text, i) => write(rows[i], text));
}

/** What an operator has to know of a stream, most urgent first. */
export function troubles(stream) {
  const found = [];
  const why = stream.error ? `: ${stream.error.replace(/\.$/, "")}.` : ".";
  if (stream.state === "stale") found.push(`No frame for ${seconds(stream.staleness_seconds)}, the last one stays on show${why}`);
  else if (stream.state === "connecting") found.push(`Connecting to ${stream.source}${why}`);
  else if (stream.state === "ended") found.push(`The stream has ended${why}`);
  else if (stream.error) found.push(stream.error);
  for (const sink of stream.sinks) {
    if (sink.error) found.push(`The sink ${sink.name} has stopped. ${sink.error}`);
  }
  return found;
}
