"""A segmenter asked for what it cannot give yet, or any more, or given what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError, OptionError, PromptError, StateError
from ermu.runtime.segmenter import Segmenter
from tests.runtime.conftest import boxes

FRAME = np.full((64, 80, 3), 90, np.uint8)
LABEL = boxes(64, 80, id1=(10, 10, 40, 40))


def test_before_start(tiny_segmenter):
    segmenter = tiny_segmenter()
    for asked in (segmenter.logits, lambda: segmenter.step(FRAME), lambda: segmenter.add_objects(LABEL)):
        with pytest.raises(StateError, match="No frame has been segmented yet"):
            asked()
    assert (segmenter.frame, segmenter.ids, segmenter.memory) == (-1, [], [])


def test_after_close(tiny_segmenter):
    segmenter = tiny_segmenter()
    segmenter.start(FRAME, LABEL)
    segmenter.close()
    segmenter.close()
    for asked in (segmenter.logits, lambda: segmenter.step(FRAME), lambda: segmenter.start(FRAME, LABEL)):
        with pytest.raises(StateError):
            asked()


def test_a_start_that_fails_has_not_begun(tiny_segmenter, monkeypatch):
    segmenter = tiny_segmenter()

    def fail(*_):
        raise KernelError("a fault")

    with monkeypatch.context() as broken:
        broken.setattr(type(segmenter.backend), "_run", fail)
        with pytest.raises(KernelError):
            segmenter.start(FRAME, LABEL)
    with pytest.raises(StateError):
        segmenter.logits()
    assert segmenter.start(FRAME, LABEL).frame == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gap": 0}, "Gap 0 is too small"),
        ({"gap": 2.5}, "gap is 2.5"),
        ({"gap": "x"}, "gap is 'x'"),
        ({"gap_seconds": 0.0}, "more than 0 seconds"),
        ({"capacity": 1}, "Capacity 1 is too small"),
        ({"capacity": 33}, "at most 32 frames"),
        ({"policy": "oldest"}, "Unknown eviction policy 'oldest'"),
        ({"long_edge": 0}, "long_edge is 0"),
    ],
)
def test_options_out_of_range(tiny_segmenter, options, said):
    with pytest.raises(OptionError, match=said):
        tiny_segmenter(**options)
    with pytest.raises(ValueError):  # which it is, too
        tiny_segmenter(**options)


def test_options_are_checked_when_they_are_set(tiny_segmenter):
    segmenter = tiny_segmenter(gap=3)
    with pytest.raises(OptionError):
        segmenter.gap = 0
    with pytest.raises(OptionError):
        segmenter.gap_seconds = -1.0
    assert (segmenter.gap, segmenter.gap_seconds) == (3, None)
    segmenter.gap = 2
    assert segmenter.gap == 2


@pytest.mark.parametrize(
    ("remember", "said"),
    [
        (LABEL.astype(np.float32), "float32"),
        (LABEL[:32], r"\(32, 80\)"),
    ],
)
def test_corrections_that_do_not_fit(tiny_segmenter, remember, said):
    segmenter = tiny_segmenter()
    segmenter.start(FRAME, LABEL)
    with pytest.raises(PromptError, match=said):
        segmenter.step(FRAME, remember=remember)
    assert segmenter.frame == 0
    assert segmenter.step(FRAME, remember=np.where(LABEL == 0, 255, LABEL).astype(np.uint8)).frame == 1


def test_a_bundle_of_its_own_backend_is_closed_with_it(tiny_bundle):
    with Segmenter(tiny_bundle, threads=1) as segmenter:
        segmenter.start(FRAME, LABEL)
        backend = segmenter.backend
    with pytest.raises(StateError, match="closed"):
        backend.run("encode", {})


def test_a_second_start_of_the_same_size_allocates_nothing_anew(tiny_segmenter, monkeypatch):
    """Encoder and workspace stay when the last object leaves; another size has its own."""
    segmenter = tiny_segmenter()
    made = []
    device = type(segmenter.backend.device)
    empty = device.empty

    def counted(self, shape, dtype):
        made.extend([shape] if 0 not in shape else [])
        return empty(self, shape, dtype)

    monkeypatch.setattr(device, "empty", counted)
    first = segmenter.start(FRAME, LABEL)
    segmenter.remove_objects([1])
    once, made[:] = len(made), []
    segmenter.start(FRAME)
    assert once > 0 and made == []
    again = segmenter.start(FRAME, LABEL)
    np.testing.assert_array_equal(again.label, first.label)
    assert len(made) < once  # a group's own
    made.clear()
    segmenter.start(np.zeros((96, 80, 3), np.uint8))
    assert made
