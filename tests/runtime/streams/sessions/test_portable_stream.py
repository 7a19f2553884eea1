"""A stream that was saved and restored goes on as one that never stopped, to the bit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import PromptError, SessionError, StateError
from ermu.runtime.images.prompter import Box
from ermu.runtime.results import FrameResult, ObjectState
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.scenes.config import SceneConfig
from ermu.scenes.source import SceneSource
from tests.runtime.conftest import until

Segmenters = Callable[..., Segmenter]
FRAMES = list(SceneSource(SceneConfig(seed=11, size_hw=(96, 128), frames=24, objects=4)))
LABEL = SceneSource(SceneConfig(seed=11, size_hw=(96, 128), frames=24, objects=4)).label(0)


class Recorded(Source):
    """Some of the clip's frames; `anew` counts and times them from nothing."""

    description, fps = "recorded", 15.0  # the scene's

    def __init__(self, first: int, last: int, *, anew: bool = False) -> None:
        self._frames = FRAMES[first:last]
        if anew:
            self._frames = [replace(frame, time=i / self.fps) for i, frame in enumerate(self._frames)]

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)


def steer(pipeline: Pipeline) -> Callable[[Frame, FrameResult], None]:
    """Edits by frame, the same for whoever comes by them."""
    edits: dict[int, Callable[[], object]] = {
        3: lambda: pipeline.add_objects(Box(10, 10, 60, 60), name="a van"),
        5: lambda: pipeline.rename_object(2, "zwei"),
        6: lambda: pipeline.remove_objects([1]),
        8: lambda: pipeline.switch_policy("rmem"),
        13: lambda: pipeline.add_objects(Box(70, 20, 110, 80)),
        15: lambda: pipeline.refine_object(3, Box(30, 20, 60, 60)),
    }
    return lambda frame, result: (edits.get(frame.index, lambda: None)(), None)[1]


def run(pipeline: Pipeline, label: np.ndarray | None = None) -> list[FrameResult]:
    """The whole of its source; what it showed after each frame's edit."""
    shown, edit = [], steer(pipeline)

    def on_frame(frame: Frame, result: FrameResult) -> None:
        edit(frame, result)
        shown.append(pipeline.tracker.shown().result)

    pipeline.run(label, on_frame=on_frame)
    return shown


@pytest.mark.parametrize("stop", [10, 14])
def test_it_goes_on_as_if_it_had_never_stopped(tiny_segmenter: Segmenters, tmp_path: Path, stop: int) -> None:
    unbroken = Pipeline(tiny_segmenter(gap=1), Recorded(0, 24))
    first, then = (Pipeline(tiny_segmenter(gap=1), Recorded(*ends)) for ends in ((0, stop), (stop, 24)))
    expected = run(unbroken, LABEL)
    run(first, LABEL)
    first.save(tmp_path / "s.ermu")
    then.restore(tmp_path / "s.ermu")
    assert then.objects.sightings == first.objects.sightings
    assert then.memory_history.as_json() == first.memory_history.as_json()
    for left, right in zip(expected[stop:], run(then), strict=True):
        assert (left.frame, left.objects) == (right.frame, right.objects)
        assert np.array_equal(left.label, right.label)
    assert then.objects.sightings == unbroken.objects.sightings
    assert then.objects.free == unbroken.objects.free
    assert then.memory_history.as_json() == unbroken.memory_history.as_json()
    assert np.array_equal(then.segmenter.logits(), unbroken.segmenter.logits())


def test_a_clip_whose_times_begin_anew_goes_on_without_a_gap(
    tiny_segmenter: Segmenters, tmp_path: Path
) -> None:
    """Seconds of the memory's gap, and those that an object has been gone for, count on."""
    unbroken = Pipeline(tiny_segmenter(gap_seconds=0.12, capacity=8), Recorded(0, 20))
    first = Pipeline(tiny_segmenter(gap_seconds=0.12, capacity=8), Recorded(0, 10))
    then = Pipeline(tiny_segmenter(), Recorded(10, 20, anew=True))
    unbroken.run(LABEL)
    first.run(LABEL)
    first.save(tmp_path / "s.ermu")
    then.restore(tmp_path / "s.ermu")
    then.run()
    assert then.frames == 10 and then.segmenter.frame == 19
    assert then.latest is not None and unbroken.latest is not None
    assert np.array_equal(then.latest.result.label, unbroken.latest.result.label)
    assert [u.frames for u in then.segmenter.memory] == [u.frames for u in unbroken.segmenter.memory]
    moved = unbroken.latest.frame.time - then.latest.frame.time
    for now, expected in zip(then.objects.sightings, unbroken.objects.sightings, strict=True):
        assert now.seen_time is not None and expected.seen_time is not None
        assert now.seen_time + moved == pytest.approx(expected.seen_time)


def test_saved_and_restored_while_it_runs_from_another_thread(
    tiny_segmenter: Segmenters, tmp_path: Path
) -> None:
    source = PacedSource(SceneSource.open("scene:11,size=96x128,frames=30,fps=50,swing"), loop=True)
    pipeline = Pipeline(tiny_segmenter(), source, name="door")
    with pytest.raises(StateError, match="No frame has"):
        pipeline.save(tmp_path / "s.ermu")
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    worker = threading.Thread(target=scheduler.run)
    worker.start()
    try:
        assert until(lambda: pipeline.frames > 2)
        pipeline.add_objects(Box(10, 10, 60, 60), name="kept")
        pipeline.save(tmp_path / "s.ermu")
        pipeline.rename_object(1, "another")
        pipeline.add_objects(Box(70, 10, 120, 60))
        pipeline.pause()
        pipeline.restore(tmp_path / "s.ermu")
        assert [sighting.name for sighting in pipeline.objects.sightings] == ["kept"]
        assert pipeline.segmenter.ids == [1] and not pipeline.paused
        frames = pipeline.frames
        assert until(lambda: pipeline.frames > frames + 2)
        assert pipeline.add_objects(Box(70, 10, 120, 60)) == [2]
    finally:
        scheduler.stop()
        worker.join(5)


def test_a_stream_of_another_size_begins_its_memories_anew_with_the_same_objects(
    tiny_segmenter: Segmenters, tmp_path: Path
) -> None:
    first = Pipeline(tiny_segmenter(), Recorded(0, 6))
    first.run(LABEL)
    first.rename_object(2, "zwei")
    first.save(tmp_path / "s.ermu")

    class Larger(Recorded):
        live = True

        def __iter__(self) -> Iterator[Frame]:
            return (replace(frame, image=frame.image.repeat(2, 0).repeat(2, 1)) for frame in self._frames[:1])

    then = Pipeline(tiny_segmenter(), Larger(6, 8))
    then.restore(tmp_path / "s.ermu")
    then.run()
    assert then.restarts == 1 and then.objects.ids == [1, 2, 3, 4]
    assert then.objects.known(2).name == "zwei"
    assert first.latest is not None
    held = set(np.unique(first.latest.result.label).tolist()) - {0}
    assert held and all(then.objects.known(i).state is ObjectState.VISIBLE for i in held)


def test_what_does_not_fit_changes_nothing(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    pipeline = Pipeline(tiny_segmenter(), Recorded(0, 4))
    pipeline.run(LABEL)
    before = pipeline.objects.sightings
    pipeline.segmenter.save(tmp_path / "alone.ermu")
    with pytest.raises(SessionError, match="a segmenter's alone"):
        pipeline.restore(tmp_path / "alone.ermu")
    with pytest.raises(SessionError, match="There is no session at"):
        pipeline.restore(tmp_path / "none.ermu")
    assert pipeline.objects.sightings == before and pipeline.segmenter.frame == 3
    pipeline.save(tmp_path / "s.ermu")
    then = Pipeline(tiny_segmenter(), Recorded(4, 8))
    then.restore(tmp_path / "s.ermu")
    with pytest.raises(PromptError, match="goes on from a session"):
        then.begin(LABEL)
