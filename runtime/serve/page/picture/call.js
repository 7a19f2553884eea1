// The stream's pictures over WebRTC: fewer bytes and less delay, where its packets find a way.

import { api, ask } from "../server.js";

const CONNECT_MS = 5000;
const GATHER_MS = 1000;

/** Shows a stream until it is closed; where its first picture does not come it says so, and is over. */
export class Call {
  #stream;
  #show;
  #repaint;
  #fail;
  #connection = null;
  #shown = null;
  #about = null;
  #closed = false;

  /** A refused call is over, and somebody else asks. */
  problem = null;

  /**
   * @param show called with each picture
   * @param repaint called where more is known of the picture on show
   * @param fail called once
   */
  constructor(stream, show, repaint, fail) {
    [this.#stream, this.#show, this.#repaint, this.#fail] = [stream, show, repaint, fail];
    this.restart();
  }

  static get possible() {
    return "RTCPeerConnection" in window && "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  close() {
    this.#closed = true;
    this.#connection?.close();
  }

  /** Calls anew. */
  restart() {
    if (this.#closed) return;
    this.#connection?.close();
    const connection = new RTCPeerConnection();
    [this.#connection, this.#shown, this.#about] = [connection, null, null];
    const late = setTimeout(() => this.#over(connection), CONNECT_MS);
    connection.addEventListener("track", ({ track }) => this.#watch(connection, track, () => clearTimeout(late)));
    this.#offer(connection).catch((error) => {
      // a server that does not answer at all may be back when the screen asks for a new call
      if (error.status === undefined && error.name !== "OperationError") clearTimeout(late);
      else this.#over(connection);
    });
  }

  #over(connection) {
    if (this.#connection !== connection || this.#closed) return;
    this.close();
    this.#fail();
  }

  async #offer(connection) {
    const { receiver } = connection.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    const channel = connection.createDataChannel("about", { maxRetransmits: 0 });
    channel.addEventListener("message", ({ data }) => {
      if (this.#connection !== connection) return;
      this.#about = JSON.parse(data);
      if (!this.#shown) return;
      Object.assign(this.#shown, this.#about);
      this.#repaint();
    });
    await connection.setLocalDescription();
    await gathered(connection);
    const { sdp } = await ask(api(this.#stream, "/webrtc"), "POST", { sdp: connection.localDescription.sdp });
    await connection.setRemoteDescription({ type: "answer", sdp });
  }

  #watch(connection, track, came) {
    const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, autoplay: true });
    video.srcObject = new MediaStream([track]);
    const shown = () => {
      if (this.#connection !== connection || this.#closed) return;
      video.requestVideoFrameCallback(shown);
      came();
      const size = [video.videoWidth, video.videoHeight];
      this.#shown = { image: video, size, objects: [], ...this.#about };
      this.#show(this.#shown);
    };
    video.requestVideoFrameCallback(shown);
    video.play().catch(() => {});
  }
}

/** Waits for this browser's own addresses; those that take long are done without. */
function gathered(connection) {
  return new Promise((done) => {
    const look = () => connection.iceGatheringState === "complete" && done();
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHER_MS);
    look();
  });
}
