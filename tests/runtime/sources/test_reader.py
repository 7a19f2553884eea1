"""The reader: every frame of a file, the newest of a live stream, one error for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.errors import OptionError, SourceError, StateError
from ermu.runtime.sources.backoff import Backoff
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.sources.kinds.images import ImageSource
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.sources.reader import StreamReader, StreamState
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
    reader = StreamReader(open_source("scene:3,frames=20,size=48x64"))
    reader.start()
    assert [frame.index for frame in drain(reader)] == list(range(20))
    assert reader.dropped == 0
    assert reader.state is StreamState.ENDED


def test_a_live_stream_keeps_the_newest_frame_only() -> None:
    source = PacedSource(open_source("scene:3,frames=30,size=48x64,fps=200"))
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
    source = PacedSource(open_source("scene:3,frames=4,size=48x64,fps=1"))
    reader = StreamReader(source, stale_seconds=0.2)
    assert reader.state is StreamState.CONNECTING
    reader.start()
    assert until(lambda: reader.state is StreamState.LIVE)
    assert until(lambda: reader.state is StreamState.STALE, 0.9)
    assert reader.reason == "waiting for the next picture"
    reader.stop()


def test_a_reader_runs_once_and_is_stopped_any_number_of_times() -> None:
    reader = StreamReader(open_source("scene:3,frames=20,size=48x64"))
    assert reader.take() is None
    reader.start()
    with pytest.raises(StateError, match="started before"):
        reader.start()
    reader.stop()
    reader.stop()
    never = StreamReader(open_source("scene:3,frames=2,size=48x64"))
    never.stop()
    assert never.state is StreamState.ENDED and never.finished
    with pytest.raises(StateError, match="started before"):
        never.start()


@pytest.mark.parametrize("options", [{"stale_seconds": 0.0}, {"give_up_seconds": -1.0}])
def test_times_that_are_none(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        StreamReader(open_source("scene:3"), **options)


def test_whatever_a_source_raises_ends_its_stream_with_an_error_of_ours() -> None:
    class Odd(Source):
        description = "rtsp://admin:hunter2@cam"

        def __iter__(self) -> Iterator[Frame]:
            raise ZeroDivisionError("at rtsp://admin:hunter2@cam")
            yield

    reader = StreamReader(Odd())
    reader.start()
    assert until(lambda: reader.state is StreamState.ENDED)
    with pytest.raises(SourceError, match=r"rtsp://\*\*\*@cam failed: ZeroDivisionError") as failed:
        reader.take()
    assert "hunter2" not in str(failed.value)


def test_a_flapping_connection_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ermu.sources")
    source = Breaking(frames=3)
    source.description = "rtsp://admin:hunter2@cam/1"
    reader = StreamReader(source, backoff=Backoff(first=0.01, jitter=0))
    reader.start()
    assert until(lambda: source.connections >= 6)
    reader.stop()
    told = [record.getMessage() for record in caplog.records if record.name == "ermu.sources"]
    assert told.count("rtsp://***@cam/1: no frames (broken); connecting again") == 1
    assert sum("frames again" in line for line in told) == 1
    assert sum("dropped so far for newer ones" in line for line in told) == 1
    assert len(told) == 3 and not any("hunter2" in line for line in told)
