// What is wrong, at the top of the page.

import { byId, element, keyed, seconds, write } from "../dom.js";

export function showAlerts(texts) {
  const rows = keyed(byId("alerts"), texts.map((_, i) => i), () => element("li"));
  texts.forEach((text, i) => write(rows[i], text));
}

/** What an operator has to know of a stream, most urgent first. */
export function troubles(stream) {
  const found = [];
  const error = stream.error ? ` ${stream.error}` : "";
  if (stream.state === "stale") found.push(`No frame for ${seconds(stream.staleness_seconds)}: the last one stays on show.${error}`);
  else if (stream.state === "connecting") found.push(`Connecting to ${stream.source}.${error}`);
  else if (stream.state === "ended") found.push(`The stream has ended.${error}`);
  else if (error) found.push(error.trim());
  for (const sink of stream.sinks) {
    if (sink.error) found.push(`The sink ${sink.name} has stopped. ${sink.error}`);
  }
  return found;
}
