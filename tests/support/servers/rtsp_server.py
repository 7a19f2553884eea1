"""A small real RTSP server: live H.264 over interleaved RTP, with the sending time drawn into every picture.

Run as a program so that a test can kill it: `python -m tests.support.servers.rtsp_server --port P`.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from fractions import Fraction
from time import monotonic, sleep
from typing import Any

import av
import numpy as np
import numpy.typing as npt

BLOCK = (32, 26)  # height and width of one bit
BITS = 24  # milliseconds of the monotonic clock, in two rows
_PAYLOAD = 1200
_SPS = 7

Picture = npt.NDArray[np.uint8]


def draw_time(picture: Picture, milliseconds: int) -> None:
    """Writes the time into the picture's top left corner, a black or white block a bit."""
    for bit in range(BITS):
        row, column = divmod(bit, BITS // 2)
        y, x = row * BLOCK[0], column * BLOCK[1]
        picture[y : y + BLOCK[0], x : x + BLOCK[1]] = 255 * (milliseconds >> bit & 1)


def read_time(picture: Picture) -> int:
    """The time that `draw_time` wrote, after compression."""
    value = 0
    for bit in range(BITS):
        row, column = divmod(bit, BITS // 2)
        y, x = row * BLOCK[0] + BLOCK[0] // 2, column * BLOCK[1] + BLOCK[1] // 2
        value |= int(picture[y - 6 : y + 6, x - 6 : x + 6].mean() > 127) << bit
    return value


def now_milliseconds() -> int:
    return int(1e3 * monotonic()) % (1 << BITS)


def _pictures(size: tuple[int, int]) -> Iterator[Picture]:
    width, height = size
    ramp = np.linspace(40, 200, width, dtype=np.uint8)
    for number in itertools.count():
        picture = np.repeat(np.repeat(ramp[None], height, 0)[..., None], 3, 2)
        x = (7 * number) % (width - 60)
        picture[height // 2 : height // 2 + 60, x : x + 60] = (30, 60, 220)
        yield picture


def _encoder(size: tuple[int, int], fps: float, gop: int | None = None) -> Any:
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(fps).limit_denominator(1000)
    encoder.time_base = 1 / encoder.framerate
    encoder.thread_count = 1
    every = str(gop or round(fps) or 1)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": every, "sliced-threads": "0"}
    return encoder


def _units(data: bytes) -> list[bytes]:
    """NAL units of an Annex B packet."""
    return [part.rstrip(b"\0") for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]


def _foreign_header(size: tuple[int, int]) -> bytes:
    """The sequence parameter set of a stream of another size."""
    picture = av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), format="bgr24")
    units = [unit for packet in _encoder(size, 25).encode(picture) for unit in _units(bytes(packet))]
    return next(unit for unit in units if unit[0] & 31 == _SPS)


def _payloads(unit: bytes) -> list[bytes]:
    """RTP payloads of one unit: whole, or in FU-A fragments."""
    if len(unit) <= _PAYLOAD:
        return [unit]
    indicator, kind, body = unit[0] & 0xE0 | 28, unit[0] & 0x1F, unit[1:]
    parts = [body[i : i + _PAYLOAD] for i in range(0, len(body), _PAYLOAD)]
    flags = [(0x80 if i == 0 else 0) | (0x40 if i == len(parts) - 1 else 0) for i in range(len(parts))]
    return [bytes([indicator, flag | kind]) + part for flag, part in zip(flags, parts, strict=True)]


class _Viewer:
    """One client: answers its requests, then sends pictures until it leaves."""

    def __init__(self, connection: socket.socket, options: argparse.Namespace) -> None:
        self._connection, self._options = connection, options
        self._sequence = 0

    def serve(self) -> None:
        try:
            for method, number in self._requests():
                self._answer(method, number)
                if method == "PLAY":
                    threading.Thread(target=self._play, daemon=True).start()
        except OSError:
            return

    def _requests(self) -> Iterator[tuple[str, str]]:
        data = b""
        while chunk := self._connection.recv(4096):
            data += chunk
            while b"\r\n\r\n" in data:
                head, data = data.split(b"\r\n\r\n", 1)
                text = head[head.find(b"RTSP") - 200 if head.startswith(b"$") else 0 :].decode("latin-1")
                lines = text.split("\r\n")
                number = next(
                    (li.split(":")[1].strip() for li in lines if li.lower().startswith("cseq")), "0"
                )
                yield lines[0].split(" ")[0], number

    def _answer(self, method: str, number: str) -> None:
        head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n", ""
        if method == "OPTIONS":
            head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
                f"a=framerate:{self._options.fps}\r\n"
                "a=control:track\r\n"
            )
            head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        self._connection.sendall((head + "\r\n" + body).encode())

    def _play(self) -> None:
        options, number = self._options, 0
        try:
            for size in itertools.cycle(options.sizes):
                encoder = _encoder(size, options.fps, options.gop)
                for picture in itertools.islice(_pictures(size), options.switch_after):
                    self._wait_for(number)
                    draw_time(picture, now_milliseconds())
                    frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                    for packet in encoder.encode(frame):
                        data = bytes(packet)
                        if number == options.damage_at:
                            header = _foreign_header((160, 120))
                            units = (header if unit[0] & 31 == _SPS else unit for unit in _units(data))
                            data = b"".join(b"\0\0\0\1" + unit for unit in units)
                        self._send(data, number, whole=number != options.stall_after)
                    if number == options.stall_after:
                        sleep(3600)
                    number += 1
        except OSError:
            return

    def _wait_for(self, number: int) -> None:
        if number == 0:
            self._began = monotonic()
        sleep(max(0.0, self._began + number / self._options.fps - monotonic()))

    def _send(self, data: bytes, number: int, *, whole: bool) -> None:
        payloads = [payload for unit in _units(data) for payload in _payloads(unit)]
        time = int(90000 * self._options.clock * number / self._options.fps) & 0xFFFFFFFF
        message = b""
        for i, payload in enumerate(payloads):
            marker = 0x80 if i == len(payloads) - 1 else 0
            packet = struct.pack(">BBHII", 0x80, marker | 96, self._sequence & 0xFFFF, time, 1) + payload
            self._sequence += 1
            message += struct.pack(">cBH", b"$", 0, len(packet)) + packet
        self._connection.sendall(message if whole else message[: len(message) // 2])


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--sizes", type=_size, nargs="+", default=[(320, 240)])
    parser.add_argument("--switch-after", type=int, default=None, help="frames until the next size")
    parser.add_argument("--gop", type=int, default=None, help="frames from key frame to key frame")
    parser.add_argument("--clock", type=float, default=1.0, help="speed of the stamps' clock")
    parser.add_argument("--damage-at", type=int, default=-1, help="this frame's header tells another size")
    parser.add_argument("--stall-after", type=int, default=-1, help="send half of this frame, then nothing")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", options.port)) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_Viewer(connection, options).serve, daemon=True).start()


if __name__ == "__main__":
    main()
