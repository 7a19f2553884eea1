"""Streams of networks that follow every object by itself: steered as others are."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import OptionError
from ermu.runtime.detections import Detection
from ermu.runtime.hints import Hints
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point
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


def test_clicks_and_boxes_go_to_the_network(segmenter):
    """What a network makes of clicks is far from what GrabCut would: `Segmenter` says the same of them."""
    pipeline, hint = Pipeline(segmenter, Frames()), [Point(20, 10), Point(3, 60)]
    frames, masks = noise(20), {}

    def on_frame(frame, result):
        if result.frame == 3:
            masks[3] = segmenter.mask_at(hint)
            assert pipeline.add_objects(hint, name="clicked") == [1]
            assert np.array_equal(pipeline.latest.result.label == 1, masks[3])
        if result.frame == 5:
            pipeline.snapshot()
        if result.frame == 6:
            masks[5] = segmenter.mask_at(Box(4, 4, 40, 40), frame=frames[5])
            assert pipeline.add_objects(Box(4, 4, 40, 40), frame=5) == [2]
            assert pipeline.objects.known(2).area == masks[5].sum()
        if result.frame == 8:
            seen = pipeline.refine_object(3, [Point(50, 50)])
            assert seen.area == (pipeline.latest.result.label == 3).sum()
        if result.frame == 10:
            boxes = [Detection(Box(2, 2, 60, 60)), Detection(Box(70, 70, 80, 80))]
            assert pipeline.add_detections(boxes, overlap=1.0) == [4, None]

    summary = pipeline.run(LABEL * (LABEL == 3), on_frame=on_frame)
    assert summary.frames == 20 and segmenter.ids == [3, 1, 2, 4]
    assert [update.frames[0] for update in segmenter.memory] == [0, 3, 5, 10]


def test_a_prompter_that_is_given_goes_before_the_network(segmenter):
    pipeline = Pipeline(segmenter, Frames(), prompter=GrabCutPrompter())
    frame = noise(20)[0]

    def on_frame(frame, result):
        if result.frame == 0:
            pipeline.add_objects(Box(4, 4, 40, 40))

    pipeline.run(on_frame=on_frame, max_frames=2)
    grabbed = GrabCutPrompter().from_box(frame, Box(4, 4, 40, 40))
    with Segmenter(segmenter.bundle, threads=1) as other:
        other.start(frame, grabbed.astype(np.uint8))
        other.step(noise(20)[1])
        assert np.array_equal(other.logits(), segmenter.logits())


def test_hints_of_a_command_are_asked_of_the_network(segmenter):
    hints = [Point(20, 10), Box(8, 4, 30, 21)]
    results = []
    Pipeline(segmenter, Frames()).run(Hints(hints), on_frame=lambda frame, result: results.append(result))
    with Segmenter(segmenter.bundle, threads=1) as other:
        other.start(noise(20)[0])
        other.add_object_at(1, [hints[0]])
        expected = other.add_object_at(2, hints[1]).result
        assert np.array_equal(results[0].label, expected.label)
        for image, result in zip(noise(20)[1:], results[1:], strict=True):
            assert np.array_equal(other.step(image).label, result.label)
