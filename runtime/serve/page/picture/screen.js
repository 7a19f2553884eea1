// The chosen stream's picture: what is on show, how old it is, and what the badge may say of it.

import { byId, seconds, write } from "../dom.js";
import { paint } from "./painting.js";
import { picture as address, refusal } from "../server.js";
import { Call } from "./call.js";
import { Video, decoded } from "./video.js";

const STALL_SECONDS = 5;
const FRESH_SECONDS = 2;

export class Screen {
  #stream;
  #video;
  #shown = null;
  #frozen = null;
  #came = 0;
  #opened = performance.now();
  #began = performance.now();
  #names = new Map();
  #calls;
  #marked = null;
  #onPicture;

  /**
   * @param calls whether the server can be called over WebRTC
   * @param onPicture called after each picture
   */
  constructor(stream, calls, onPicture = () => {}) {
    this.#stream = stream;
    this.#calls = calls && Call.possible;
    this.#onPicture = onPicture;
    byId("picture").getContext("2d").clearRect(0, 0, 1e5, 1e5);
    byId("nothing").hidden = false;
    this.open();
  }

  open() {
    const show = (shown) => this.#take(shown);
    const fail = () => {
      this.#calls = false;
      this.#video = null;
      this.open();
    };
    this.#video ??= this.#calls
      ? new Call(this.#stream, show, () => this.paint(), fail)
      : new Video(address(this.#stream, "video.mjpeg"), show);
  }

  /** How the pictures come. */
  get way() {
    return this.#calls ? "WebRTC" : "MJPEG";
  }

  /** Lets the server rest: nobody looks. */
  close() {
    this.#video?.close();
    this.#video = null;
  }

  /** Frame number, size and objects of the picture on show; null before the first. */
  get shown() {
    return this.#frozen ?? this.#shown;
  }

  /** The newest picture, whatever is held; null before the first. */
  get live() {
    return this.#shown;
  }

  /** Seconds since a picture came. */
  get silence() {
    return (performance.now() - Math.max(this.#came, this.#opened)) / 1000;
  }

  /** Why the server refuses the video, else null. */
  get problem() {
    return this.#video?.problem ?? null;
  }

  name(objects) {
    this.#names = new Map(objects.map((object) => [object.id, object.name]));
    this.paint();
  }

  mark(id) {
    this.#marked = id;
    this.paint();
  }

  /** Holds the picture that is drawn on; the server keeps it for a while. */
  async freeze() {
    const answer = await fetch(address(this.#stream, "frame.jpg"), { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw await refusal(answer);
    const about = answer.headers.get("X-Ermu-Picture") ?? JSON.stringify({ frame: Number(answer.headers.get("X-Ermu-Frame")) });
    return decoded(await answer.blob(), about);
  }

  hold(frozen) {
    this.#frozen = frozen;
    this.paint();
  }

  paint() {
    if (this.shown) paint(byId("picture"), this.shown, this.#names, this.#marked);
  }

  /** Opens a video anew that stands still although the stream goes on, or whose server was away. */
  watch(stream) {
    const behind = stream === null || stream.frame !== this.#shown?.frame;
    if (behind && this.silence > STALL_SECONDS) {
      this.#opened = performance.now();
      this.#video?.restart();
    }
  }

  /** Says how far the picture can be believed; `stream` is null where the server does not answer. */
  tell(stream) {
    const [state, text] = this.#belief(stream);
    const badge = byId("badge");
    badge.dataset.state = state;
    write(badge, text);
    return state;
  }

  #belief(stream) {
    const age = this.#came ? `, picture ${seconds((performance.now() - this.#came) / 1000)} old` : "";
    if (stream === undefined) return ["connecting", "connecting"];
    if (stream === null) return ["lost", `no answer from the server${age}`];
    if (stream.paused) return ["paused", "paused"];
    if (stream.state !== "live") {
      return [stream.state, stream.state === "stale" ? `stale, picture ${seconds(stream.staleness_seconds)} old` : stream.state];
    }
    const longest = Math.max(FRESH_SECONDS, 3 / Math.max(stream.fps_out, 0.1));
    if (!this.#came) {
      const long = performance.now() - this.#began > 1000 * STALL_SECONDS;
      return long ? ["stalled", "no picture comes"] : ["connecting", "waiting for a picture"];
    }
    return this.silence < longest ? ["live", "live"] : ["stalled", `picture stalled${age}`];
  }

  #take(shown) {
    this.#shown?.image.close?.();
    this.#shown = shown;
    this.#came = performance.now();
    byId("nothing").hidden = true;
    const [width, height] = shown.size ?? [16, 9];
    byId("screen").style.aspectRatio = `${width} / ${height}`;
    if (!this.#frozen) this.paint();
    this.#onPicture();
  }
}
