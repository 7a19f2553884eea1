"""The reader: every frame of a file, the newest of a live stream, growing pauses between tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.errors import SourceError
from ermu.runtime.sources.backoff import Backoff
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.sources.kinds.images import ImageSource
from ermu.runtime.sources.kinds.network import _Lateness
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.sources.reader import StreamReader, StreamState
from ermu.runtime.sources.redaction import redact
from ermu.scenes.source import SceneSource
from tests.runtime.conftest import until

pytestmark = pytest.mark.serial


class Breaking(Source):
    """A live source whose every connection fails after a few frames."""

    live = reconnects = True

    def __init__(self, frames: int) -> None:
        self._frames, self.connections = frames, 0

    def __iter__(self) -> Iterator[Frame]:
        self.connections += 1
        for index in range(self._frames):
            yield live_frame(index, np.zeros((8, 8, 3), np.uint8))
        raise SourceError("broken")


def drain(reader: StreamReader) -> list[Frame]:
    frames = []
    while not reader.finished:
        frame = reader.take()
        if frame is not None:
            frames.append(frame)
    return frames


def test_a_file_delivers_every_frame_in_order() -> None:
    reader = StreamReader(SceneSource.parse("scene:3,frames=20,size=48x64"))
    reader.start()
    assert [frame.index for frame in drain(reader)] == list(range(20))
    assert reader.dropped == 0
    assert reader.state is StreamState.ENDED


def test_a_live_stream_keeps_the_newest_frame_only() -> None:
    source = PacedSource(SceneSource.parse("scene:3,frames=30,size=48x64,fps=200"))
    reader = StreamReader(source)
    reader.start()
    assert until(lambda: reader.state is StreamState.ENDED)
    frames = drain(reader)
    assert [frame.index for frame in frames] == [29]
    assert (reader.received, reader.dropped) == (30, 29)


def test_a_connection_is_opened_again_and_again() -> None:
    source = Breaking(frames=2)
    reader = StreamReader(source, backoff=Backoff(first=0.01, jitter=0))
    reader.start()
    assert until(lambda: source.connections >= 4)
    reader.stop()
    assert reader.reconnects >= 3
    assert str(reader.last_error) == "broken"


def test_pauses_double_up_to_a_limit_and_begin_anew_after_a_frame() -> None:
    backoff = Backoff(first=1, limit=6, jitter=0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 6, 6]
    backoff.reset()
    assert backoff.next() == 1
    jittered = [Backoff(first=1, jitter=0.25).next() for _ in range(200)]
    assert min(jittered) >= 0.75 and max(jittered) <= 1.25 and len(set(jittered)) > 100


def test_a_file_fails_after_the_frames_before_the_failure(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "3.png").write_bytes(b"no image")
    reader = StreamReader(ImageSource(sorted(tmp_path.iterdir())))
    reader.start()
    assert until(lambda: reader.state is StreamState.ENDED)
    assert [reader.take().index for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
    with pytest.raises(SourceError, match=r"3\.png cannot be read"):
        reader.take()


def test_a_stream_is_stale_by_our_own_clock() -> None:
    source = PacedSource(SceneSource.parse("scene:3,frames=4,size=48x64,fps=1"))
    reader = StreamReader(source, stale_seconds=0.2)
    assert reader.state is StreamState.CONNECTING
    reader.start()
    assert until(lambda: reader.state is StreamState.LIVE)
    assert until(lambda: reader.state is StreamState.STALE, 0.9)
    reader.stop()


def test_frames_queued_in_a_stall_are_late_and_a_slow_clock_is_not() -> None:
    late = _Lateness(1.0)
    assert not any(late.is_late(t / 15, 100 + t / 15) for t in range(30))
    assert late.is_late(2.0, 105.0)  # three seconds behind
    assert not late.is_late(5.0, 105.01)  # caught up
    drifting = _Lateness(1.0)
    assert not any(drifting.is_late(t * (1 - 2e-4), 100.0 + t) for t in range(0, 20_000))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:pa@ss@cam/1", "rtsp://***@cam/1"),
        ("rtsp://10.0.0.1/user=admin_password=secret_channel=1", "rtsp://10.0.0.1/user=***"),
        ("https://cam/live?channel=2&token=abc&x=1", "https://cam/live?channel=2&token=***&x=1"),
        ("frames/*.jpg", "frames/*.jpg"),
    ],
)
def test_credentials_are_taken_out(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("where", ["scene:", "scene:x", "scene:1,speed=3", "scene:1,size=4", "nowhere.mp4"])
def test_what_is_no_source(where: str) -> None:
    with pytest.raises(SourceError):
        open_source(where)


def test_a_swinging_scene_never_jumps() -> None:
    source = SceneSource.parse("scene:3,frames=5,size=48x64,swing")
    assert [source._position(i) for i in range(10)] == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]
