"""Fixtures of the live tests: a real RTSP server in a process of its own, and small segmenters."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.masks import extents
from ermu.runtime.memory.labelling import Seen
from ermu.runtime.results import Sighting, sighted
from ermu.runtime.segmenter import Segmenter
from ermu.types import LabelMap

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class RtspProcess:
    """A server that can be killed and started again on its port."""

    def __init__(self, port: int, *options: str) -> None:
        self.port, self._options = port, options
        self.url = f"rtsp://127.0.0.1:{port}/live"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.servers.rtsp_server", "--port", str(self.port)]
        self._process = subprocess.Popen([*command, *self._options], cwd=ROOT)
        until = monotonic() + 20
        while monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                sleep(0.05)
        raise TimeoutError("the RTSP server does not listen")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def rtsp_server() -> Iterator[Callable[..., RtspProcess]]:
    """Starts servers: `rtsp_server("--fps", "15")`."""
    pytest.importorskip("av", reason="the RTSP server encodes with PyAV (extra `live`)")
    started: list[RtspProcess] = []

    def start(*options: str) -> RtspProcess:
        started.append(RtspProcess(free_port(), *options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def tiny_backend(tiny_bundle: Path) -> Backend:
    """The tiny bundle's graphs, open, on one thread."""
    return open_backend(Bundle.load(tiny_bundle), threads=1)


@pytest.fixture
def tiny_segmenter(tiny_bundle: Path, tiny_backend: Backend) -> Callable[..., Segmenter]:
    """Segmenters on the tiny bundle; they share its graphs."""

    def segmenter(**options: object) -> Segmenter:
        return Segmenter(tiny_bundle, backend=tiny_backend, **options)  # type: ignore[arg-type]

    return segmenter


def boxes(height: int, width: int, **ids: tuple[int, int, int, int]) -> LabelMap:
    """A label map of rectangles: `boxes(240, 320, id3=(10, 20, 50, 80))`, as x0, y0, x1, y1."""
    label = np.zeros((height, width), np.uint8)
    for name, (x0, y0, x1, y1) in ids.items():
        label[y0:y1, x0:x1] = int(name.removeprefix("id"))
    return label


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Waits for a condition; whether it came true."""
    end = monotonic() + seconds
    while monotonic() < end:
        if condition():
            return True
        sleep(0.02)
    return condition()


def sightings(label: LabelMap, ids: Iterable[int], score: float | None = None) -> tuple[Sighting, ...]:
    """Of the objects followed, as a segmenter gives them, with one score for those that are visible."""
    found, own = extents(label), list(ids)
    seen = {i: Seen(int(found.areas[i]), found.box(i), score if found.areas[i] else None) for i in own}
    return sighted(own, seen)
