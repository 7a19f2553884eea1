"""Objects corrected while a stream runs: by mask, box and points, late, undone, without a memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from ermu.errors import PromptError, StateError
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point
from ermu.runtime.results import ObjectState
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.scenes.source import SceneSource

Segmenters = Callable[..., Segmenter]
Script = dict[int, Callable[[], object]]


def scene() -> SceneSource:
    return SceneSource.open("scene:11,size=96x128,frames=16,objects=3")


def stepped(pipeline: Pipeline, script: Script, frames: int = 12) -> None:
    """Runs a pipeline with the scene's objects, doing each action of the script after its frame."""
    label = scene().label(0)
    pipeline.begin(
        label, max_frames=frames, on_frame=lambda frame, result: script.get(frame.index, lambda: None)()
    )
    Scheduler([pipeline]).run()


def shown(pipeline: Pipeline) -> np.ndarray:
    assert pipeline.latest is not None
    return pipeline.latest.result.label


def test_it_does_what_the_segmenter_does_at_once_late_and_undone(tiny_segmenter: Segmenters) -> None:
    pipeline, alone = Pipeline(tiny_segmenter(gap=2), scene()), tiny_segmenter(gap=2)
    source, seen = scene(), []
    clip = [(frame.image, source.label(t)) for t, frame in enumerate(source)]
    results = [alone.start(*clip[0])]

    def compare(action: Callable[[Pipeline], object] | None, same: Callable[[Segmenter], object]) -> None:
        if action is not None:
            action(pipeline)
        same(alone)
        assert pipeline.latest is not None
        seen.append(np.array_equal(shown(pipeline), alone._label))

    def after(t: int) -> Callable[[], None]:
        def act() -> None:
            if t:
                results.append(alone.step(clip[t][0]))
            mask = clip[t][1] == 2
            if t == 3:
                compare(lambda p: p.refine_object(2, mask), lambda s: s.refine(2, mask))
            if t == 5:
                pipeline.snapshot()
            if t == 8:
                late = clip[5][1] == 3
                compare(
                    lambda p: p.refine_object(3, late.astype(np.uint8), frame=5),
                    lambda s: s.refine(3, late, frame=clip[5][0], result=results[5]),
                )
            if t == 9:
                compare(lambda p: p.undo(3), lambda s: s.undo(3))
            compare(None, lambda s: None)

        return act

    stepped(pipeline, {t: after(t) for t in range(12)})
    assert len(seen) == 15 and all(seen)


def test_boxes_and_points_correct_and_the_object_is_answered(tiny_segmenter: Segmenters) -> None:
    pipeline, found = Pipeline(tiny_segmenter(), scene()), []
    prompter = GrabCutPrompter()

    def by_box() -> None:
        box = Box(10, 10, 60, 60)
        sighting = pipeline.refine_object(1, box)
        mask = prompter.from_box(pipeline.latest.frame.image, box)  # type: ignore[union-attr]
        assert np.array_equal(shown(pipeline) == 1, mask)
        assert (sighting.id, sighting.area, sighting.state) == (1, mask.sum(), ObjectState.VISIBLE)
        found.append(sighting)

    def by_points() -> None:
        before = shown(pipeline) == 2
        points = [Point(100, 20), Point(5, 90, positive=False)]
        mask = prompter.corrected(pipeline.latest.frame.image, before, points)  # type: ignore[union-attr]
        found.append(pipeline.refine_object(2, points))
        assert np.array_equal(shown(pipeline) == 2, mask)

    stepped(pipeline, {2: by_box, 4: by_points})
    assert [sighting.id for sighting in found] == [1, 2]
    assert pipeline.objects.ids == pipeline.segmenter.ids == [1, 2, 3]


def test_a_neighbour_corrected_on_the_same_past_frame_keeps_the_first_correction(
    tiny_segmenter: Segmenters,
) -> None:
    """Both masks are in the group's memory of that frame; one that is undone is not."""
    masks = {1: np.zeros((96, 128), bool), 2: np.zeros((96, 128), bool)}
    masks[1][10:30, 10:30], masks[2][50:80, 70:100] = True, True
    pipeline, remembered = Pipeline(tiny_segmenter(), scene()), []

    def note(label: np.ndarray) -> np.ndarray:
        remembered.append(label)
        return label

    def correct() -> None:
        groups = pipeline.segmenter._groups
        assert groups is not None
        whole = groups.correct
        groups.correct = lambda i, label, *a, **k: whole(i, note(label), *a, **k)  # type: ignore[method-assign]
        pipeline.refine_object(1, masks[1], frame=3)
        pipeline.refine_object(2, masks[2], frame=3)
        pipeline.undo(2)
        pipeline.undo(1)
        pipeline.refine_object(2, masks[2], frame=3)

    stepped(pipeline, {3: lambda: pipeline.snapshot(), 6: correct})
    assert np.array_equal(remembered[1] == 1, masks[1]) and np.array_equal(remembered[1] == 2, masks[2])
    assert not np.array_equal(remembered[2] == 1, masks[1]) and np.array_equal(remembered[2] == 2, masks[2])


def test_an_object_without_a_memory_gets_one_again(tiny_segmenter: Segmenters) -> None:
    pipeline, ids = Pipeline(tiny_segmenter(), scene()), []

    def lose() -> None:
        label = np.where(shown(pipeline) == 2, 0, shown(pipeline)).astype(np.uint8)
        latest = pipeline.latest
        assert latest is not None
        pipeline.tracker._restart(latest.frame.image, label, latest.result.frame, latest.frame.time)
        ids.append(pipeline.segmenter.ids)

    def correct() -> None:
        sighting = pipeline.refine_object(2, Box(60, 40, 110, 90))
        assert sighting.state is ObjectState.VISIBLE and sighting.area > 0
        with pytest.raises(StateError, match="No correction"):
            pipeline.undo(2)

    stepped(pipeline, {3: lose, 5: correct})
    assert 2 not in ids[0]
    assert pipeline.objects.ids == sorted(pipeline.segmenter.ids) == [1, 2, 3]


def test_what_does_not_fit_is_refused(tiny_segmenter: Segmenters) -> None:
    pipeline = Pipeline(tiny_segmenter(), scene())
    mask = np.ones((96, 128), bool)

    def refused() -> None:
        away = cv2.distanceTransform((shown(pipeline) != 1).astype(np.uint8), cv2.DIST_L2, 3)
        y, x = np.unravel_index(away.argmax(), away.shape)
        far = Point(float(x), float(y), positive=False)
        assert away.max() > 26  # GrabCut looks 25 pixels around a click
        cases: Sequence[tuple[str, Callable[[], object]]] = (
            ("no object 9", lambda: pipeline.refine_object(9, mask)),
            ("not kept any more", lambda: pipeline.refine_object(1, mask, frame=0)),
            ("mask is bool", lambda: pipeline.refine_object(1, mask[:20])),
            ("empty", lambda: pipeline.refine_object(1, ~mask)),
            ("less than 4 x 4", lambda: pipeline.refine_object(1, Box(0, 0, 1, 1))),
            ("outside the frame", lambda: pipeline.refine_object(1, [Point(500, 3)])),
            ("stands out", lambda: pipeline.refine_object(1, Box(60, 40, 110, 90))),
            ("change nothing", lambda: pipeline.refine_object(1, [far])),
        )
        before = shown(pipeline).copy()
        remembered = [(update.group, update.frames) for update in pipeline.segmenter.memory]
        for said, action in cases:
            with pytest.raises(PromptError, match=said):
                action()
        assert np.array_equal(shown(pipeline), before)
        assert [(update.group, update.frames) for update in pipeline.segmenter.memory] == remembered
        with pytest.raises(StateError, match="No correction"):
            pipeline.undo(1)

    stepped(pipeline, {5: refused}, 7)
