"""Objects that come and go: ids stay, bystanders are not disturbed, losses are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.devices.host import HostDevice
from ermu.errors import ErmuError, PromptError
from ermu.runtime.images.prompter import Box, Point
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.scenes.source import SceneSource

pytestmark = pytest.mark.serial

Segmenters = Callable[..., Segmenter]

CLIP = [
    (frame, label) for frame, label in Scene(SceneConfig(seed=11, size_hw=(96, 128), frames=16, objects=4))
]


def host_array(tensor: Any) -> np.ndarray:
    return tensor if isinstance(tensor, np.ndarray) else HostDevice().download(tensor)


def only(label: np.ndarray, *ids: int) -> np.ndarray:
    return np.where(np.isin(label, ids), label, 0).astype(np.uint8)


@pytest.mark.parametrize("plan", ["whole", "external_attention"])
def test_bystanders_logits_are_bitwise_the_same_when_others_come_and_go(tiny_bundle: Path, plan: str) -> None:
    alone, company = (Segmenter(tiny_bundle, plan=plan, threads=1) for _ in range(2))
    for segmenter in (alone, company):
        segmenter.start(CLIP[0][0], only(CLIP[0][1], 1, 2))
    for t in range(1, 16):
        frame, truth = CLIP[t]
        alone.step(frame, remember=only(truth, 1, 2))
        company.step(frame, remember=truth)
        assert np.array_equal(alone.logits()[0], company.logits()[0])
        if t == 4:
            company.add_objects(only(truth, 3))
        if t == 7:
            company.add_objects(only(CLIP[6][1], 4), frame=CLIP[6][0], number=6)
        if t == 10:
            company.remove_objects([3])
    assert company.ids == [1, 2, 4]
    banks = [next(iter(segmenter._groups)).bank for segmenter in (alone, company)]
    assert banks[0].frames == banks[1].frames
    held = [bank.slots() if plan == "whole" else {"keys": bank.keys()} for bank in banks]
    for name, tensor in held[0].items():
        assert np.array_equal(host_array(tensor), host_array(held[1][name]))


def test_an_object_drawn_on_a_past_frame_is_what_it_would_have_been_then(tiny_segmenter: Segmenters) -> None:
    then, later = tiny_segmenter(), tiny_segmenter()
    then.start(CLIP[3][0], only(CLIP[3][1], 3), number=3)
    later.start(CLIP[0][0], only(CLIP[0][1], 1))
    for t in range(1, 6):
        later.step(CLIP[t][0])
    later.add_objects(only(CLIP[3][1], 3), frame=CLIP[3][0], number=3)
    then.step(CLIP[6][0])
    later.step(CLIP[6][0])
    assert np.array_equal(then.logits()[0], later.logits()[1])
    assert list(later._groups)[1].bank.frames[0] == 3


def test_a_removed_id_is_gone_at_once_and_an_empty_group_is_freed(tiny_segmenter: Segmenters) -> None:
    segmenter = tiny_segmenter()
    segmenter.start(*CLIP[0])
    segmenter.remove_objects([2])
    assert 2 not in np.unique(segmenter.step(CLIP[1][0]).label)
    assert next(iter(segmenter._groups)).channel_ids[:4] == [1, None, 3, 4]
    segmenter.remove_objects([1, 3, 4])
    assert list(segmenter._groups) == []
    assert not segmenter.step(CLIP[2][0]).label.any()
    segmenter.add_objects(only(CLIP[2][1], 2))
    assert segmenter.ids == [2]
    assert segmenter.step(CLIP[3][0]).memory[0].group == 1


def test_a_gap_in_seconds_feeds_the_bank_when_frames_are_dropped(tiny_segmenter: Segmenters) -> None:
    segmenter = tiny_segmenter(gap_seconds=0.5, capacity=8)
    times = [0, 0.1, 0.2, 0.3, 1.0, 1.2, 1.6, 1.7, 3.0]
    segmenter.start(*CLIP[0], time=times[0])
    for t in range(1, 9):
        result = segmenter.step(CLIP[t][0], time=times[t])
    assert result.memory_frames == [0, 4, 6, 8]
    with pytest.raises(ErmuError, match="no time"):
        segmenter.step(CLIP[9][0])


def test_a_policy_is_switched_in_place(tiny_segmenter: Segmenters) -> None:
    segmenter, reference = tiny_segmenter(policy="fifo", gap=1), tiny_segmenter(policy="ermu", gap=1)
    for each in (segmenter, reference):
        each.start(*CLIP[0])
    for t in range(1, 4):
        for each in (segmenter, reference):
            each.step(CLIP[t][0])
    segmenter.switch_policy("ermu")  # nothing has been evicted yet, so from here on they are alike
    for t in range(4, 10):
        left, right = segmenter.step(CLIP[t][0]).memory[0], reference.step(CLIP[t][0]).memory[0]
        assert (left.evicted, left.frames) == (right.evicted, right.frames)
    with pytest.raises(ErmuError, match="Unknown eviction policy"):
        segmenter.switch_policy("lru")


def stepped(pipeline: Pipeline, script: dict[int, Callable[[], object]], frames: int) -> None:
    """Runs a pipeline to its end, doing each action of the script after its frame."""
    pipeline.begin(max_frames=frames, on_frame=lambda frame, result: script.get(frame.index, lambda: None)())
    Scheduler([pipeline]).run()


def test_boxes_points_and_label_maps_add_objects_with_ids_that_stay(tiny_segmenter: Segmenters) -> None:
    source = SceneSource(SceneConfig(seed=11, size_hw=(96, 128), frames=12, objects=3))
    pipeline = Pipeline(tiny_segmenter(), source)
    got: list[list[int]] = []
    uploaded = np.zeros((96, 128), np.uint8)
    uploaded[60:80, 90:120] = 77
    script: dict[int, Callable[[], object]] = {
        1: lambda: got.append(pipeline.add_objects(Box(10, 10, 60, 60), name="first")),
        3: lambda: got.append(pipeline.add_objects([Point(80, 50), Point(5, 5, positive=False)])),
        5: lambda: got.append(pipeline.add_objects(uploaded)),
        7: lambda: pipeline.remove_objects([1]),
        9: lambda: got.append(pipeline.add_objects(Box(10, 10, 60, 60))),
    }
    stepped(pipeline, script, 12)
    assert got == [[1], [2], [77], [3]]  # 1 is not given out again
    assert pipeline.objects.ids == [2, 3, 77]
    assert sorted(pipeline.segmenter.ids) == [2, 3, 77]
    assert pipeline.latest is not None
    assert set(np.unique(pipeline.latest.result.label)) <= {0, 2, 3, 77}
    assert pipeline.restarts == 0
    with pytest.raises(PromptError, match="in use"):
        pipeline.add_objects(uploaded)


def test_any_prompter_may_turn_a_hint_into_the_mask(tiny_segmenter: Segmenters) -> None:
    class Halves:
        """The frame's left half for every box, its right half for every click."""

        def from_box(self, frame: np.ndarray, box: Box) -> np.ndarray:
            return np.arange(frame.shape[1]) < frame.shape[1] // 2 + np.zeros(frame.shape[:2])

        def from_points(self, frame: np.ndarray, points: Sequence[Point]) -> np.ndarray:
            return ~self.from_box(frame, Box(0, 0, 1, 1))

    scene = SceneConfig(seed=11, size_hw=(96, 128), frames=4, objects=2)
    given = np.where(np.arange(128) < 64, 1, 2).astype(np.uint8) * np.ones((96, 1), np.uint8)
    hinted, labelled = (Pipeline(tiny_segmenter(), SceneSource(scene), prompter=Halves()) for _ in range(2))
    stepped(
        hinted,
        {0: lambda: (hinted.add_objects(Box(3, 3, 9, 9)), hinted.add_objects([Point(5, 5)]))},
        4,
    )
    stepped(
        labelled,
        {0: lambda: [labelled.add_objects(only(given, i)) for i in (1, 2)]},
        4,
    )
    assert hinted.objects.ids == [1, 2]
    assert np.array_equal(hinted.latest.result.label, labelled.latest.result.label)  # type: ignore[union-attr]


def test_adding_may_restart_every_memory_as_the_published_code_does(tiny_segmenter: Segmenters) -> None:
    source = SceneSource(SceneConfig(seed=11, size_hw=(96, 128), frames=10, objects=2))
    pipeline = Pipeline(tiny_segmenter(), source, live=LiveOptions(on_add="restart"))
    script = {
        1: lambda: pipeline.add_objects(Box(10, 10, 60, 60)),
        6: lambda: pipeline.add_objects(Box(70, 10, 120, 60)),
    }
    stepped(pipeline, script, 10)
    assert pipeline.restarts == 2
    assert pipeline.objects.ids == [1, 2]
    assert min(pipeline.latest.result.memory_frames) == 6  # type: ignore[union-attr]


def test_pause_reset_and_commands_from_another_thread(tiny_segmenter: Segmenters) -> None:
    import threading

    from tests.runtime.conftest import until

    source = PacedSource(SceneSource.open("scene:11,size=96x128,frames=30,fps=50,swing"))
    pipeline = Pipeline(tiny_segmenter(), source)
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    worker = threading.Thread(target=scheduler.run)
    worker.start()
    try:
        assert until(lambda: pipeline.frames > 2)
        assert pipeline.add_objects(Box(10, 10, 60, 60)) == [1]
        pipeline.pause()
        until(lambda: False, 0.2)
        frames = pipeline.frames
        until(lambda: False, 0.2)
        assert pipeline.frames == frames
        assert pipeline.add_objects(Box(70, 10, 120, 60)) == [2]
        pipeline.remove_objects([1])
        assert 1 not in np.unique(pipeline.latest.result.label)  # type: ignore[union-attr]
        pipeline.resume()
        assert until(lambda: pipeline.frames > frames)
        pipeline.reset()
        assert pipeline.objects.ids == [] == pipeline.segmenter.ids
        with pytest.raises(PromptError, match="no object 1"):
            pipeline.remove_objects([1])
    finally:
        scheduler.stop()
        worker.join(5)


class DrawnBefore(Source):
    """Frames that lie ready, so that the reader never keeps the scheduler waiting."""

    def __init__(self, scene: SceneSource) -> None:
        self.frames, self.label = list(scene), scene.label(0)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)


def test_streams_take_turns_and_a_dead_one_harms_nobody(tiny_segmenter: Segmenters) -> None:
    sources = [DrawnBefore(SceneSource.open(f"scene:{s},size=48x64,frames=30")) for s in (1, 2)]
    quick = [Pipeline(tiny_segmenter(), source) for source in sources]
    dead = Pipeline(tiny_segmenter(), SceneSource.open("scene:3,size=48x64,frames=30"))
    order: list[int] = []
    for number, pipeline in enumerate(quick):
        note = partial(lambda number, frame, result: order.append(number), number)
        pipeline.begin(sources[number].label, on_frame=note)
    dead.begin(np.zeros((10, 10), np.uint8))  # a prompt that does not fit
    with pytest.raises(PromptError):
        Scheduler([dead, *quick]).run()
    assert [pipeline.frames for pipeline in quick] == [30, 30]
    shares = [order[:40].count(number) for number in (0, 1)]
    assert min(shares) >= 14
