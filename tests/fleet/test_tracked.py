"""What a stream has lost on its way, and when it is in quarantine."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from ermu.fleet.tracked import Standing, TrackedStream
from ermu.runtime.config.schema import StreamEntry


def said(
    frame: int, *, frames: int = 10, restored: int | None = None, replays: bool = False
) -> dict[str, Any]:
    info = {"frame": frame, "frames": frames, "fps_in": 20.0}
    return {"info": info, "restored_frame": restored, "replays": replays, "saved_frame": 0, "objects": {}}


@pytest.fixture
def stream() -> TrackedStream:
    made = TrackedStream(StreamEntry(name="a", source="x"))
    made.place("w1")
    made.observe(said(100))
    return made


@pytest.mark.parametrize(("replays", "lost"), [(False, 60), (True, 0)])
def test_a_loss_is_counted_in_frames(stream: TrackedStream, replays: bool, lost: int) -> None:
    """Twenty frames a second for three seconds; a file goes on where its session was. Frame 90 was saved."""
    stream.leave("gone")
    assert (stream.standing, stream.worker) == (Standing.WAITING, None)
    stream._outage = stream._outage and type(stream._outage)(monotonic() - 3.0, 20.0, 100)
    stream.place("w2")
    stream.observe(said(-1, frames=0))
    assert stream.moves == 0, "nothing has been segmented yet"
    stream.observe(said(91, frames=1, restored=90, replays=replays))
    assert (stream.moves, stream.frames_again) == (1, 10)
    assert stream.frames_lost == pytest.approx(lost, abs=3)


def test_it_is_in_quarantine_after_so_many_crashes(stream: TrackedStream) -> None:
    for tries in range(1, 4):
        assert stream.standing is not Standing.QUARANTINED
        stream.leave("gone")
        stream.blame(3)
        assert stream.suspect and stream.strikes == tries
    assert stream.standing is Standing.QUARANTINED and "3 times" in str(stream.error)


def test_a_stream_that_cannot_be_placed_is_tried_less_and_less(stream: TrackedStream) -> None:
    waits = []
    for _ in range(8):
        stream.wait("no camera")
        waits.append(round(stream.retry_at - monotonic()))
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    stream.wait("full", soon=True)
    assert round(stream.retry_at - monotonic()) == 1
