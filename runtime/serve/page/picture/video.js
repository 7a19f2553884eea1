// The stream's pictures, read part by part: each is known to have come, with what it shows.

import { refusal } from "../server.js";

const LONGEST_PAUSE_MS = 4000;

/** A JPEG and what the server says of it: frame number, size, objects in sight with their boxes. */
export async function decoded(jpeg, about) {
  return { image: await createImageBitmap(jpeg), ...JSON.parse(about) };
}

/** Cuts a multipart answer into its parts. */
class Parts {
  #held = new Uint8Array(0);

  /** Takes bytes in; returns the newest whole part, or null: whoever is late gets the newest only. */
  add(chunk) {
    const joined = new Uint8Array(this.#held.length + chunk.length);
    joined.set(this.#held);
    joined.set(chunk, this.#held.length);
    this.#held = joined;
    let newest = null;
    for (let part = this.#take(); part; part = this.#take()) newest = part;
    return newest;
  }

  #take() {
    const end = headEnd(this.#held);
    if (end < 0) return null;
    const head = new TextDecoder().decode(this.#held.subarray(0, end));
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1]);
    if (!Number.isInteger(length)) throw new Error("A part of the video has no length.");
    if (this.#held.length < end + length) return null;
    const jpeg = new Blob([this.#held.slice(end, end + length)], { type: "image/jpeg" });
    this.#held = this.#held.slice(end + length);
    return { jpeg, about: /^x-ermu-picture: *(.*)$/im.exec(head)?.[1] ?? "{}" };
  }
}

function headEnd(bytes) {
  for (let i = 3; i < bytes.length; i++) {
    if (bytes[i] === 10 && bytes[i - 1] === 13 && bytes[i - 2] === 10 && bytes[i - 3] === 13) return i + 1;
  }
  return -1;
}

/** Shows a stream until it is closed; a connection that ends is opened again. */
export class Video {
  #address;
  #show;
  #connection = null;
  #closed = false;
  #waiting = null;
  #decoding = false;
  #pause = 0;
  #wake = () => {};

  /** What the server says where it refuses the video, else null. */
  problem = null;

  constructor(address, show) {
    this.#address = address;
    this.#show = show;
    this.#run();
  }

  close() {
    this.#closed = true;
    this.restart();
  }

  /** Opens the video anew: it has stalled. */
  restart() {
    this.#connection?.abort();
    this.#wake();
  }

  async #run() {
    while (!this.#closed) {
      try {
        await this.#read();
      } catch (error) {
        // without a status the server is gone, or the connection was given up: the badge says what it means
        this.problem = error.status === undefined ? null : error.message;
      }
      this.#pause = Math.min(Math.max(2 * this.#pause, 250), LONGEST_PAUSE_MS);
      if (!this.#closed) await this.#rest();
    }
  }

  #rest() {
    return new Promise((done) => {
      this.#wake = done;
      setTimeout(done, this.#pause);
    });
  }

  async #read() {
    this.#connection = new AbortController();
    const answer = await fetch(this.#address, { signal: this.#connection.signal });
    if (!answer.ok) throw await refusal(answer);
    this.problem = null;
    const reader = answer.body.getReader();
    const parts = new Parts();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      const newest = parts.add(value);
      if (newest) this.#take(newest);
    }
  }

  /** One picture is decoded at a time; of those that come meanwhile the newest waits. */
  async #take(part) {
    this.#waiting = part;
    if (this.#decoding) return;
    this.#decoding = true;
    try {
      while (this.#waiting && !this.#closed) {
        const { jpeg, about } = this.#waiting;
        this.#waiting = null;
        const shown = await decoded(jpeg, about);
        this.#pause = 0;
        if (!this.#closed) this.#show(shown);
      }
    } catch {
      this.restart(); // a damaged picture
    } finally {
      this.#decoding = false;
    }
  }
}
