"""Ready or not, and why: streams that connect, flow, stop coming and end; sinks that stop or get stuck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from ermu.errors import SinkError, SourceError
from ermu.logs import message_of
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.serve.operation import readiness
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Access, Broadcast, Server, create_app, served

Segmenters = Callable[..., Segmenter]
TOKEN = "a-long-random-token"


class Gate(Source):
    """A live source that delivers while it is open, and loses its connection when it is shut."""

    description, live, reconnects = "rtsp://admin:hunter2@cam/1", True, True
    fps, total_frames = 25.0, None

    def __init__(self) -> None:
        self.opened, self.closed = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        while not self.closed.wait(0.02):
            if not self.opened.is_set():
                raise SourceError("the cable of rtsp://admin:hunter2@cam is out.")
            yield live_frame(0, np.zeros((48, 64, 3), np.uint8))

    def close(self) -> None:
        self.closed.set()


class Disk(Sink):
    """A sink that fills up, hangs, or reaches nobody, when it is told to."""

    name = "disk"
    away: str | None = None

    @property
    def problem(self) -> str | None:
        return self.away

    def __init__(self) -> None:
        self.full, self.going = threading.Event(), threading.Event()
        self.going.set()

    def write(self, frame: Frame, result: FrameResult) -> None:
        self.going.wait(30)
        if self.full.is_set():
            raise SinkError("No space left on /var/ermu.")


@contextmanager
def asked(segmenter: Segmenter, access: Access | None = None) -> Iterator[tuple[httpx.Client, Gate, Disk]]:
    gate, disk, view = Gate(), Disk(), Broadcast()
    live = LiveOptions(stale_seconds=0.3)
    pipeline = Pipeline(segmenter, gate, [disk, view], name="yard", live=live)
    pipeline.begin()
    scheduler = Scheduler([pipeline], endless=True)
    worker = threading.Thread(target=scheduler.run)
    worker.start()
    try:
        app = create_app(served([pipeline], [view]), access)
        with Server(app, port=0) as server, httpx.Client(base_url=server.url) as client:
            yield client, gate, disk
    finally:
        disk.going.set()
        scheduler.stop()
        worker.join(10)


def told(client: httpx.Client) -> tuple[int, bool, list[str]]:
    """The answer's status, and the one stream's readiness and reasons."""
    answer = client.get("/readyz")
    body = answer.json()
    (stream,) = body["streams"]
    assert set(body) == {"ready", "streams"} and set(stream) == {"name", "ready", "reasons"}
    assert stream["name"] == "yard" and stream["ready"] == (not stream["reasons"]) == body["ready"]
    assert "hunter2" not in answer.text and client.get("/healthz").json() == {"status": "ok"}
    return answer.status_code, body["ready"], stream["reasons"]


def test_a_stream_is_ready_while_it_flows(
    tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture
) -> None:
    with asked(tiny_segmenter()) as (client, gate, _):
        assert until(lambda: "is out" in str(told(client)))
        status, ready, reasons = told(client)
        assert (status, ready) == (503, False) and reasons[0].startswith("connecting")
        gate.opened.set()
        assert until(lambda: told(client) == (200, True, []))
        gate.opened.clear()
        assert until(lambda: told(client)[0] == 503)
        assert told(client)[2][0].startswith("stale")
        gate.opened.set()
        assert until(lambda: told(client) == (200, True, []), 20)
    log = [message_of(record) for record in caplog.records]
    assert any(line.startswith("stream yard: rtsp://***@cam/1: no frames (") for line in log)
    assert any(line.startswith("stream yard: rtsp://***@cam/1: frames again (") for line in log)
    assert "hunter2" not in str(log)


def test_a_sink_that_stops_or_hangs_is_a_reason(
    tiny_segmenter: Segmenters, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(readiness, "STUCK_SECONDS", 0.5)
    with asked(tiny_segmenter()) as (client, gate, disk):
        gate.opened.set()
        assert until(lambda: told(client)[1])
        disk.away = "https://hook: Connection refused"
        assert told(client) == (503, False, [f"the sink disk does not deliver: {disk.away}"])
        disk.away = None
        assert until(lambda: told(client)[1])
        disk.going.clear()
        assert until(lambda: told(client)[0] == 503)
        assert "the sink disk has been writing one result for" in told(client)[2][0]
        disk.full.set()
        disk.going.set()
        expected = ["the sink disk has stopped: No space left on /var/ermu."]
        assert until(lambda: told(client) == (503, False, expected))
    log = [message_of(record) for record in caplog.records]
    assert "stream yard: The sink disk has stopped: No space left on /var/ermu." in log


def test_without_the_token_the_status_is_told_and_nothing_else(tiny_segmenter: Segmenters) -> None:
    with asked(tiny_segmenter(), Access(token=TOKEN)) as (client, gate, _):
        gate.opened.set()
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert until(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/readyz").json() == {"ready": True, "streams": []}
        assert client.get("/readyz", headers=bearer).json()["streams"][0]["name"] == "yard"
