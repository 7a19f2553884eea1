"""Sends a live stream through FFmpeg's own muxers, with the time drawn into every picture.

A program, so that a test can end it: `python -m tests.support.servers.sender TARGET --format mpegts`.
Targets are what FFmpeg writes to, `udp://127.0.0.1:5000` or a playlist `live.m3u8`, and `http://127.0.0.1:8080`,
where whoever asks gets a stream of his own.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np

from tests.support.servers.rtsp_server import draw_time, now_milliseconds

SIZE = (320, 240)
H264 = ("libx264", "yuv420p", {"preset": "ultrafast", "tune": "zerolatency"})
CODECS = {"mpjpeg": ("mjpeg", "yuvj420p", {})}
KINDS = {"mpjpeg": "multipart/x-mixed-replace;boundary=ffmpeg"}


def send(target: Any, options: argparse.Namespace) -> None:
    """Writes for ever, a picture whenever one is due."""
    codec, pixels, coding = CODECS.get(options.format, H264)
    muxing = dict(text.split("=", 1) for text in options.option)
    with av.open(target, "w", format=options.format, options=muxing) as container:
        stream = container.add_stream(codec, rate=options.fps, options={**coding, "g": str(options.gop)})
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
        stream.codec_context.time_base = 1 / options.fps
        picture, began, number = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), monotonic(), 0
        while True:
            sleep(max(0.0, began + float(number / options.fps) - monotonic()))
            draw_time(picture, now_milliseconds())
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, 1 / options.fps
            container.mux(stream.encode(frame))
            number += 1


def serve(port: int, options: argparse.Namespace) -> None:
    """Sends to everybody who asks."""

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", KINDS[options.format])
            self.end_headers()
            send(self.wfile, options)

    with ThreadingHTTPServer(("127.0.0.1", port), Camera) as server:
        server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--format", required=True)
    parser.add_argument("--fps", type=Fraction, default=Fraction(15))
    parser.add_argument("--gop", type=int, default=15)
    parser.add_argument("--option", action="append", default=[])
    options = parser.parse_args()
    if options.target.startswith("http://"):
        serve(urlsplit(options.target).port or 80, options)
    send(options.target, options)


if __name__ == "__main__":
    main()
