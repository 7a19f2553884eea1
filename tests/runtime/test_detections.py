"""Detections become objects: which of them, by hand, and on a pipeline that seeds itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from ermu import Box, Detection, Pipeline, Reseeder
from ermu.errors import OptionError, PromptError
from ermu.runtime.detections import Intake, painted
from ermu.runtime.images.masks import extents
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.scenes.config import SceneConfig
from ermu.scenes.source import SceneSource
from tests.runtime.conftest import until

Segmenters = Callable[..., Segmenter]
SCENE = SceneConfig(seed=3, size_hw=(144, 240), frames=16, objects=3, split="validation")


def found(*corners: tuple[float, float, float, float]) -> list[Detection]:
    return [Detection(Box(*each)) for each in corners]


def test_matching_by_hand() -> None:
    """Object 7 has the left half; a detection on it, one beside it, and one as good as the second."""
    held = [(7, (0, 0, 10, 10))]
    seen = found((0, 0, 10, 9), (8, 0, 18, 10), (8, 0.5, 19, 10))
    assert Intake().match(seen, held) == [7, -2, -2]
    assert Intake(overlap=0.95).match(seen, held) == [-1, -2, -3]
    assert Intake(mode="all").match(seen, held) == [-1, -2, -3]
    assert Intake(mode="first").match(seen, []) == [-1, -2, -2]


def test_when_they_are_taken() -> None:
    assert [Intake(every=3).due(t, taken, 1) for t, taken in ((0, None), (2, 0), (3, 0), (1, 9))] == [
        True, False, True, True,
    ]  # fmt: skip
    assert Intake("first").due(5, 0, 0) and not Intake("first").due(5, 0, 1)
    for options in ({"mode": "some"}, {"every": 0}, {"every": 1.5}, {"overlap": 0.0}, {"overlap": 1.1}):
        with pytest.raises(OptionError):
            Intake(**options)  # type: ignore[arg-type]


def test_the_smaller_lies_on_the_larger() -> None:
    small, large = np.zeros((6, 6), bool), np.ones((6, 6), bool)
    small[2:4, 2:4] = True
    label = painted({4: small, 5: large}, (6, 6))
    assert np.array_equal(label == 4, small) and np.array_equal(label == 5, ~small)


def truth_of(source: SceneSource, *ids: int) -> Callable[[np.ndarray], list[Detection]]:
    """A detector that knows; it tells frames apart by their pixels."""
    labels = {frame.image.tobytes(): source.label(frame.index) for frame in source}

    def detect(image: np.ndarray) -> list[Detection]:
        boxes = extents(labels[image.tobytes()])
        return [Detection(Box(*box), f"thing {i}") for i in ids if (box := boxes.box(i))]

    return detect


def run(segmenter: Segmenter, prompt: Reseeder, **options: object) -> dict[int, list[tuple[int, str]]]:
    """Ids and names in the result that the sinks get, by frame."""
    told: dict[int, list[tuple[int, str]]] = {}

    def note(frame: Frame, result: object) -> None:
        told[frame.index] = [(s.id, s.name) for s in result.objects]  # type: ignore[attr-defined]

    Pipeline(segmenter, SceneSource(SCENE), **options).run(prompt, on_frame=note)  # type: ignore[arg-type]
    return told


def test_a_pipeline_seeds_itself_and_doubles_nobody() -> None:
    """The first two are seen at once, the third from the second call on; the demo network follows them."""
    source = SceneSource(SCENE)
    early, late, calls = truth_of(source, 1, 2), truth_of(source, 1, 2, 3), list[int]()

    def detect(image: np.ndarray) -> list[Detection]:
        calls.append(1)
        return (early if len(calls) == 1 else late)(image)

    with Segmenter("demo", threads=1) as segmenter:
        told = run(segmenter, Reseeder(detect, every=5))
    two = [(1, "thing 1"), (2, "thing 2")]
    assert len(calls) == 4  # frames 0, 5, 10, 15
    assert told[0] == told[4] == two  # from the first frame's own result on
    assert told[5] == told[15] == [*two, (3, "thing 3")]


def test_first_asks_no_more_once_something_is_followed(tiny_segmenter: Segmenters) -> None:
    calls = list[int]()

    def detect(image: np.ndarray) -> list[Detection]:
        calls.append(1)
        return found((20, 20, 90, 90)) if len(calls) == 3 else []

    told = run(tiny_segmenter(), Reseeder(detect, every=1, mode="first"))
    assert len(calls) == 3 and [len(objects) for objects in told.values()] == [0, 0] + [1] * 14


def test_a_detector_that_fails_says_so(tiny_segmenter: Segmenters) -> None:
    def detect(image: np.ndarray) -> list[Detection]:
        raise ZeroDivisionError("no weights")

    with pytest.raises(PromptError, match="detector has failed on frame 0: no weights"):
        run(tiny_segmenter(), Reseeder(detect))


def test_ids_answer_each_detection(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    """A mask of the detector's own is taken; what cannot be followed, and what is too early, has no id."""
    pipeline = Pipeline(tiny_segmenter(), SceneSource(SCENE))
    got = list[object]()
    mask = np.zeros((144, 240), bool)
    mask[100:140, 200:230] = True

    def act(frame: Frame, result: object) -> None:
        if frame.index == 0:
            seen = [
                Detection(Box(200, 100, 230, 140), "lamp", mask),
                *found((20, 20, 90, 90), (-50, 0, -10, 9), (21, 20, 91, 90)),
            ]
            got.append(pipeline.add_detections(seen, mode="first"))
            got.append(pipeline.add_detections(seen, mode="first"))  # not looked at
            got.append(pipeline.add_detections(seen, every=5))  # nor is this
            got.append(pipeline.add_detections([*seen, *found((100, 5, 130, 30))]))
            (lamp, _, _) = pipeline.latest.result.objects  # type: ignore[union-attr]
            got.append((lamp.name, lamp.box, lamp.area))
            with pytest.raises(PromptError, match="mask is"):
                pipeline.add_detections([Detection(Box(0, 0, 9, 9), None, mask[1:])], mode="all")

    pipeline.run(on_frame=act)
    assert got == [
        [1, 2, None, 2],
        None,
        None,
        [1, 2, None, 2, 3],
        ("lamp", (200, 100, 230, 140), 1200),
    ]


def test_what_is_found_on_the_latest_frame_is_followed_though_the_stream_goes_on(
    tiny_segmenter: Segmenters,
) -> None:
    """Whoever names no frame means the latest, which is another by the worker's turn."""
    endless = SceneConfig(seed=3, size_hw=(144, 240), frames=2000, objects=3, split="validation")
    pipeline = Pipeline(tiny_segmenter(), SceneSource(endless))
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    worker = Thread(target=scheduler.run)
    worker.start()
    try:
        assert until(lambda: pipeline.latest is not None)
        boxes = [(20.0 + 10 * i, 20.0, 90.0 + 10 * i, 90.0) for i in range(5)]
        assert [pipeline.add_detections(found(box), mode="all") for box in boxes] == [
            [i] for i in range(1, 6)
        ]
    finally:
        scheduler.stop()
        worker.join()
