"""Whatever is done to a stream, one that is saved and restored on the way stays its unbroken twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from ermu.errors import ErmuError
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.streams.pipeline import Pipeline
from ermu.scenes.source import SceneSource

pytest.importorskip("hypothesis", reason="property tests")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Segmenters = Callable[..., Segmenter]
SIZE = (64, 80)
FRAMES = list(SceneSource.open("scene:11,size=64x80,frames=40,objects=3"))
PLACE = st.tuples(st.integers(0, 40), st.integers(0, 50))
WHICH = st.integers(0, 5)
NAMES = st.sampled_from(["cup", "Tür", "a b", "猫"])
EDITS = st.one_of(
    st.tuples(st.just("frame"), st.integers(1, 3)),
    st.tuples(st.just("frame"), st.integers(1, 3)),
    st.tuples(st.just("add"), PLACE, NAMES),
    st.tuples(st.just("refine"), WHICH, PLACE),
    st.tuples(st.just("remove"), WHICH),
    st.tuples(st.just("rename"), WHICH, NAMES),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("policy"), st.sampled_from(["ermu", "rmem", "fifo"])),
    st.tuples(st.just("reset")),
    st.tuples(st.just("break")),
    st.tuples(st.just("break")),
)


class Unread(Source):
    """Frames are handed to the tracker, one by one."""

    def __iter__(self) -> Iterator[Frame]:
        return iter(())


def drawn(place: tuple[int, int], object_id: int) -> np.ndarray:
    label = np.zeros(SIZE, np.uint8)
    label[place[0] : place[0] + 20, place[1] : place[1] + 24] = object_id
    return label


def act(pipeline: Pipeline, edit: tuple) -> object:  # type: ignore[type-arg]
    """Does an edit; returns what whoever asked would see, a refusal's words among it."""
    kind, *given = edit
    ids = pipeline.objects.ids
    try:
        if kind == "frame":
            shown = []
            for _ in range(given[0]):
                frame = FRAMES[(pipeline.segmenter.frame + 1) % len(FRAMES)]
                result = pipeline.tracker.segment(frame, None)
                shown.append((result.frame, result.objects, result.label.tobytes()))
            return shown
        if kind == "add":
            label = drawn(given[0], pipeline.objects.next_id())
            return pipeline.add_objects(label, name=given[1])
        if kind == "pause":
            return (pipeline.pause if given[0] else pipeline.resume)()
        if kind == "policy":
            return pipeline.switch_policy(given[0])
        if kind == "reset":
            return pipeline.reset()
        which = ids[given[0] % len(ids)] if ids else 200
        if kind == "refine":
            return pipeline.refine_object(which, drawn(given[1], 1))
        if kind == "rename":
            return pipeline.rename_object(which, given[1])
        return pipeline.remove_objects([which])
    except ErmuError as error:
        return str(error)


def state(pipeline: Pipeline) -> tuple:  # type: ignore[type-arg]
    segmenter = pipeline.segmenter
    banks = [(update.group, update.ids, update.frames) for update in segmenter.memory]
    known = pipeline.objects.sightings, pipeline.objects.free, pipeline.memory_history.as_json()
    return (*known, banks, segmenter.ids, segmenter.policy, pipeline.paused, segmenter.logits().tobytes())


def test_a_broken_stream_is_its_unbroken_twin(tiny_segmenter: Segmenters) -> None:
    def opened() -> Pipeline:
        segmenter = tiny_segmenter(gap=1, capacity=3, max_groups=2, long_edge=49)
        return Pipeline(segmenter, Unread())

    @settings(
        max_examples=20, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(edits=st.lists(EDITS, min_size=4, max_size=16))
    def check(edits: list[tuple]) -> None:  # type: ignore[type-arg]
        unbroken, broken = opened(), opened()
        with TemporaryDirectory() as folder:
            path = Path(folder, "s.ermu")
            for edit in [("frame", 1), ("add", (5, 5), "first"), *edits, ("break",), ("frame", 2)]:
                if edit[0] == "break":
                    broken.save(path)
                    broken = opened()
                    broken.restore(path)
                else:
                    assert act(unbroken, edit) == act(broken, edit)
                assert state(unbroken) == state(broken)

    check()
