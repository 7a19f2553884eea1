"""Small video files made with PyAV: a picture that moves, in whatever codec and container."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ermu.types import Image

HEIGHT, WIDTH, FRAMES, FPS = 96, 160, 12, 25
NOT_UTF8 = os.fsdecode(b"caf\xe9 \xff")  # a name in Latin-1
_INTERLACED = 1 << 18 | 1 << 29  # FFmpeg's flags for interlaced DCT and motion estimation


def moving_frames(count: int = FRAMES) -> list[Image]:
    """Coloured clouds that move four pixels a frame to the left."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, 2 * WIDTH, 3), np.uint8)
    clouds = cv2.GaussianBlur(noise, (0, 0), 6)
    cv2.normalize(clouds, clouds, 0, 255, cv2.NORM_MINMAX)
    return [np.ascontiguousarray(clouds[:, 4 * i : 4 * i + WIDTH]) for i in range(count)]


def write_clip(
    path: Path,
    codec: str,
    *,
    pixels: str = "yuv420p",
    interlaced: bool = False,
    images: Sequence[Image] | None = None,
    stamps: Iterable[int] | None = None,
    rotation: int = 0,
    container: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Encodes pictures; skips the test where PyAV or the encoder is missing.

    Args:
        path: Its suffix names the container.
        codec: FFmpeg's name of the encoder.
        pixels: Pixel format.
        interlaced: Two fields a frame.
        images: Of `HEIGHT` by `WIDTH`; default, `moving_frames`.
        stamps: When each frame is shown, in 1/25 s; default, one after the other.
        rotation: Degrees that a player turns it by.
        container: Options of the container.
        options: Of the encoder.
    """
    av = pytest.importorskip("av", reason="clips are encoded with PyAV (extra `live`)")
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    with scheduling_kept(), av.open(str(path), "w", options=container or {}) as file:
        stream: Any = file.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        if interlaced:
            stream.codec_context.flags |= _INTERLACED
        if rotation and not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write a rotation")
        if rotation:
            stream.set_display_rotation(rotation)
        shown_at = list(range(len(images or moving_frames())) if stamps is None else stamps)
        for stamp, image in zip(shown_at, images or moving_frames(len(shown_at)), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pixels)
            frame.pts = stamp
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """Undoes what libsvtav1 does as root: a real-time process, beside which nothing else runs."""
    before, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, priority)


def cut(path: Path, share: float) -> Path:
    """The beginning of a file, as a download or a full disk leaves it."""
    data = path.read_bytes()
    short = path.with_name(f"cut_{path.name}")
    short.write_bytes(data[: int(share * len(data))])
    return short


def corrupt(path: Path, at: float = 0.5, size: int = 400) -> Path:
    """A file with random bytes in the middle."""
    data = bytearray(path.read_bytes())
    begin = int(at * len(data))
    data[begin : begin + size] = np.random.default_rng(1).integers(0, 256, size, np.uint8).tobytes()
    broken = path.with_name(f"corrupt_{path.name}")
    broken.write_bytes(data)
    return broken
