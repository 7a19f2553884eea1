"""Pipeline on a real RTSP stream: latency, loss and return, stalls, changes of size, garbage."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from time import monotonic, perf_counter

import numpy as np
import pytest

from ermu.errors import SourceError
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.kinds.network import NetworkSource
from ermu.runtime.sources.reader import StreamState
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from tests.runtime.conftest import RtspProcess, boxes, free_port, until
from tests.support.servers.rtsp_server import BITS, now_milliseconds, read_time

pytestmark = pytest.mark.serial

Servers = Callable[..., RtspProcess]
Segmenters = Callable[..., Segmenter]


class _Running:
    """A pipeline running in a thread, with what came out of it."""

    def __init__(self, pipeline: Pipeline, prompt: np.ndarray | None) -> None:
        self.pipeline = pipeline
        self.ids: list[tuple[float, tuple[int, ...]]] = []
        self.latencies: list[float] = []
        self.states: set[str] = set()
        self.sizes: list[tuple[int, ...]] = []
        self.frames: list[int] = []
        pipeline.begin(prompt, on_frame=self._note)
        self._scheduler = Scheduler([pipeline])
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._scheduler.run(on_turn=lambda: self.states.add(self.pipeline.state.value))
        except SourceError as error:
            self.error = error

    def _note(self, frame: Frame, result: FrameResult) -> None:
        self.latencies.append((now_milliseconds() - read_time(frame.image)) % (1 << BITS))
        self.ids.append((monotonic(), tuple(self.pipeline.segmenter.ids)))
        self.sizes.append(frame.image.shape)
        self.frames.append(result.frame)

    def stop(self) -> float:
        """Stops and says how many seconds that took."""
        began = perf_counter()
        self._scheduler.stop()
        self._thread.join(10)
        return perf_counter() - began

    def join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


@pytest.mark.serial
def test_no_delay_grows_through_a_loss(rtsp_server: Servers, tiny_segmenter: Segmenters) -> None:
    segmenter = tiny_segmenter()
    prompt = boxes(480, 640, id3=(40, 230, 160, 330), id7=(400, 250, 500, 350))
    picture = np.full((480, 640, 3), 90, np.uint8)
    segmenter.start(picture, prompt)
    steps = [sum(segmenter.step(picture).ms.values()) for _ in range(8)]
    fps = max(4, round(3 * 1e3 / float(np.median(steps))))  # the source outruns the model threefold
    server = rtsp_server("--fps", str(fps), "--sizes", "640x480")
    pipeline = Pipeline(segmenter, NetworkSource(server.url))
    running = _Running(pipeline, prompt)
    assert until(lambda: len(running.latencies) > 0, 15)
    began = monotonic()
    waiting = []
    while monotonic() - began < 5:
        waiting.append(len(pipeline.reader._frames))
        until(lambda: False, 0.05)
    server.kill()
    assert until(lambda: pipeline.state is StreamState.STALE, 5)
    held = pipeline.latest
    assert held is not None and until(lambda: pipeline.latest is held, 0.1)
    lost_at, frames_before = monotonic(), len(running.frames)
    until(lambda: False, 1.5)
    assert len(running.frames) == frames_before  # no invented frame
    server.start()
    assert until(lambda: len(running.frames) > frames_before, 12)
    back_at = monotonic()
    while monotonic() - back_at < 5:
        waiting.append(len(pipeline.reader._frames))
        until(lambda: False, 0.05)
    seconds = running.stop()

    assert seconds < 2
    assert pipeline.reader.reconnects >= 1
    assert {"live", "stale"} <= running.states
    assert {ids for _, ids in running.ids} == {(3, 7)}
    assert running.ids[-1][0] > lost_at
    assert running.frames == list(range(len(running.frames)))  # one memory, never begun anew
    assert max(waiting) <= 1
    assert pipeline.reader.dropped > 1.5 * len(running.frames)
    period, step = 1e3 / fps, pipeline.timings.percentile("frame", 99)
    p99 = float(np.percentile(running.latencies, 99))
    print(f"\n{fps} fps, step p50 {pipeline.timings.percentile('frame', 50):.0f} p99 {step:.0f} ms, "
          f"scene to result p50 {np.percentile(running.latencies, 50):.0f} p99 {p99:.0f} ms, "
          f"decode to result p99 {pipeline.timings.percentile('capture_to_result', 99):.0f} ms")  # fmt: skip
    # A queue would have grown by seconds. The cores that the network uses are the server's encoder's as well.
    assert pipeline.timings.percentile("capture_to_result", 99) <= 4 * period + step
    assert p99 <= 6 * period + 2 * step  # from the drawing of the scene


def test_change_of_size_restarts_from_the_last_label(
    rtsp_server: Servers, tiny_segmenter: Segmenters
) -> None:
    server = rtsp_server("--fps", "10", "--sizes", "320x240", "480x360", "--switch-after", "15")
    pipeline = Pipeline(tiny_segmenter(long_edge=160), NetworkSource(server.url))
    running = _Running(pipeline, boxes(240, 320, id3=(20, 100, 120, 200), id9=(180, 100, 300, 220)))
    assert until(lambda: len(set(running.sizes)) == 2, 20)
    until(lambda: False, 0.5)
    running.stop()
    assert pipeline.restarts >= 1
    assert pipeline.objects.ids == [3, 9]
    assert running.frames == list(range(len(running.frames)))
    assert pipeline.latest is not None
    assert pipeline.latest.result.label.shape == pipeline.latest.frame.image.shape[:2]


def test_a_stream_that_stalls_inside_a_frame(
    rtsp_server: Servers, tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture
) -> None:
    server = rtsp_server("--fps", "10", "--stall-after", "25")
    url = server.url.replace("rtsp://", "rtsp://admin:hunter2@")
    source = NetworkSource(url, read_seconds=1.0, late_seconds=0.5)
    live = LiveOptions(stale_seconds=0.5)
    running = _Running(Pipeline(tiny_segmenter(long_edge=96), source, live=live), None)
    assert until(lambda: len(running.frames) >= 5, 10)
    assert until(lambda: running.pipeline.state is StreamState.STALE, 10)
    assert until(lambda: running.pipeline.reader.reconnects >= 1, 10)
    assert until(lambda: len(running.frames) > 30, 15)  # the next connection delivers again
    running.stop()
    assert all(shape == (240, 320, 3) for shape in running.sizes)
    assert max(running.latencies) < 1000  # what was queued in the stall was not taken for new
    told = [r.getMessage() for r in caplog.records if r.name == "ermu.sources" and r.levelname == "WARNING"]
    assert [line.partition(": ")[2].partition(" (")[0] for line in told] == ["no frames", "frames again"]
    assert all("rtsp://***@127.0.0.1" in line and "hunter2" not in line for line in told)


def test_server_gone_for_good(rtsp_server: Servers, tiny_segmenter: Segmenters) -> None:
    server = rtsp_server("--fps", "10")
    live = LiveOptions(give_up_seconds=2.0)
    running = _Running(Pipeline(tiny_segmenter(long_edge=96), NetworkSource(server.url), live=live), None)
    assert until(lambda: len(running.frames) >= 3, 10)
    server.kill()
    assert running.join(10)
    assert running.error is None
    assert running.pipeline.summary().lost
    assert running.pipeline.state is StreamState.ENDED


def test_a_server_that_never_was(tiny_segmenter: Segmenters) -> None:
    url = f"rtsp://admin:hunter2@127.0.0.1:{free_port()}/live?token=hunter3"
    live = LiveOptions(give_up_seconds=1.0)
    pipeline = Pipeline(tiny_segmenter(long_edge=96), NetworkSource(url), live=live)
    with pytest.raises(SourceError, match="ended before its first frame") as refused:
        pipeline.run()
    assert "hunter" not in str(refused.value)
    assert "hunter" not in pipeline.source.description
    assert "127.0.0.1" in pipeline.source.description


def test_opencv_stands_in_where_pyav_is_missing(
    rtsp_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = rtsp_server("--fps", "10")
    monkeypatch.setitem(sys.modules, "av", None)
    frames = iter(NetworkSource(server.url.replace("rtsp://", "RTSP://")))
    taken = [next(frames) for _ in range(5)]
    assert [frame.index for frame in taken] == [0, 1, 2, 3, 4]
    assert {frame.image.shape for frame in taken} == {(240, 320, 3)}
    times = [read_time(frame.image) for frame in taken]
    assert all(0 < (after - before) % (1 << BITS) < 2000 for before, after in pairwise(times))


def test_garbage_bytes(tiny_segmenter: Segmenters) -> None:
    noise = np.random.default_rng(5)

    def answer(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(noise.bytes(20_000))
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/stream"
        live = LiveOptions(give_up_seconds=1.5)
        pipeline = Pipeline(tiny_segmenter(long_edge=96), NetworkSource(url), live=live)
        with pytest.raises(SourceError, match="ended before its first frame"):
            pipeline.run()
        assert pipeline.reader.reconnects >= 1
        server.shutdown(socket.SHUT_RDWR)
