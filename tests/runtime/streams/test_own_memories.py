"""Streams of networks that follow every object by itself: steered as others are."""

from __future__ import annotations

import pytest

from ermu.errors import OptionError
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.streams.pipeline import Pipeline
from tests.runtime.conftest import boxes
from tests.support.toy.bundle import write_toy
from tests.support.toy.truth import noise

LABEL = boxes(64, 64, id3=(4, 8, 28, 24), id7=(36, 40, 60, 60))


class Frames(Source):
    """The toy's frames, as a file has them."""

    fps = 10.0

    def __iter__(self):
        for i, image in enumerate(noise(20)):
            yield Frame(i, f"{i:03d}", image, i / 10)


@pytest.fixture
def segmenter(tmp_path):
    with Segmenter(write_toy(tmp_path / "bundle"), threads=1) as segmenter:
        yield segmenter


def test_objects_come_are_corrected_and_go_while_it_runs(segmenter):
    pipeline, seen = Pipeline(segmenter, Frames()), []
    tracker = pipeline.tracker

    def on_frame(frame, result):
        seen.append([update.ids for update in result.memory])
        if result.frame == 4:
            drawn = boxes(64, 64, id9=(30, 4, 50, 20))
            assert tracker.add(drawn, tracker.recent(None), "third") == [9]
        if result.frame == 8:
            tracker.refine(3, LABEL == 7, tracker.recent(None))
            assert histories()[0] == ([3], [0, 8])
        if result.frame == 10:
            tracker.undo(3)
            assert histories()[0] == ([3], [0, 6, 7, 8])
        if result.frame == 12:
            tracker.remove([7])
        if result.frame == 14:
            with pytest.raises(OptionError, match="does not serve the network toy"):
                tracker.segmenter.switch_policy("ermu")

    def histories():
        kept = tracker.memory_history.groups
        return {group.group: (group.ids, [scored.frame for scored in group.held]) for group in kept}

    summary = pipeline.run(LABEL, on_frame=on_frame)
    assert summary.frames == 20
    assert seen[4] == [[3], [7]] and seen[5] == [[3], [7], [9]] and seen[-1] == [[3], [9]]
    assert histories() == {0: ([3], [0, 17, 18, 19]), 2: ([9], [4, 17, 18, 19])}
