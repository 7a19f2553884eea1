"""A correction is what a label map drawn by hand would have been, disturbs nobody, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import PromptError, SourceError, StateError
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

Segmenters = Callable[..., Segmenter]
CLIP = list(Scene(SceneConfig(seed=11, size_hw=(96, 128), frames=26, objects=4)))
PLANS = pytest.mark.parametrize("plan", ["whole", "external_attention"])


def only(label: np.ndarray, *ids: int) -> np.ndarray:
    return np.where(np.isin(label, ids), label, 0).astype(np.uint8)


def halved(label: np.ndarray, object_id: int) -> np.ndarray:
    """A label map in which the lower half of an object's rows is missing."""
    rows = np.flatnonzero((label == object_id).any(axis=1))
    below = np.arange(len(label))[:, None] >= rows[len(rows) // 2]
    return np.where(below & (label == object_id), 0, label).astype(np.uint8)


def run(segmenter: Segmenter, until: int, begin: np.ndarray | None = None) -> list[FrameResult]:
    """Starts, unless it has been, and goes on to a frame; every frame's result."""
    results = []
    if segmenter.frame < 0:
        results.append(segmenter.start(CLIP[0][0], CLIP[0][1] if begin is None else begin))
    results += [segmenter.step(CLIP[t][0]) for t in range(segmenter.frame + 1, until + 1)]
    return results


def assert_alike(one: Segmenter, other: Segmenter, until: int) -> None:
    """Both go on to a frame: label maps, logits, banks and policies agree to the bit."""
    for t in range(one.frame + 1, until + 1):
        left, right = one.step(CLIP[t][0]), other.step(CLIP[t][0])
        assert np.array_equal(left.label, right.label)
        assert np.array_equal(one.logits(), other.logits())
        for a, b in zip(left.memory, right.memory, strict=True):
            assert (a.frames, a.evicted) == (b.frames, b.evicted)
            assert np.array_equal(a.decision.scores, b.decision.scores)  # type: ignore[arg-type]


@PLANS
def test_a_first_frame_corrected_is_as_if_it_had_been_drawn_so(tiny_bundle: Path, plan: str) -> None:
    corrected, drawn = (Segmenter(tiny_bundle, plan=plan, threads=1, gap=1) for _ in range(2))
    corrected.start(CLIP[0][0], halved(CLIP[0][1], 2))
    shown = corrected.refine(2, CLIP[0][1] == 2)
    drawn.start(*CLIP[0])
    assert np.array_equal(shown.label, CLIP[0][1])
    assert shown.memory[0].frames == [0]
    assert_alike(corrected, drawn, 12)


@PLANS
def test_a_late_correction_segments_the_latest_frame_from_the_corrected_one(
    tiny_bundle: Path, plan: str
) -> None:
    """All that was remembered since leaves, so the next frame is what it would be right after the first."""
    late, drawn = (Segmenter(tiny_bundle, plan=plan, threads=1, gap=2) for _ in range(2))
    (first, *_) = run(late, 5, halved(CLIP[0][1], 2))
    assert late.memory[0].frames == [0, 2, 4]
    shown = late.refine(2, CLIP[0][1] == 2, frame=CLIP[0][0], result=first)
    drawn.start(CLIP[0][0], CLIP[0][1], number=4)
    expected = drawn.step(CLIP[5][0])
    assert (shown.frame, shown.memory[0].frames) == (5, [0])
    assert np.array_equal(shown.label, expected.label)
    assert np.array_equal(late.logits(), drawn.logits())
    assert np.array_equal(late.step(CLIP[6][0]).label, drawn.step(CLIP[6][0]).label)
    assert np.array_equal(late.logits(), drawn.logits())


@PLANS
def test_undone_at_once_it_never_was(tiny_bundle: Path, plan: str) -> None:
    undone, never = (Segmenter(tiny_bundle, plan=plan, threads=1, gap=1, capacity=4) for _ in range(2))
    results = run(undone, 9)
    run(never, 9)
    undone.refine(3, CLIP[9][1] == 3)
    undone.refine(3, CLIP[6][1] == 3, frame=CLIP[6][0], result=results[6])
    assert not np.array_equal(undone.logits(), never.logits())
    undone.undo(3)
    assert undone.undo(3).memory[0].frames == never.memory[0].frames
    assert np.array_equal(undone.logits(), never.logits())
    assert_alike(undone, never, 20)


def test_undone_later_the_latest_frame_is_segmented_with_the_old_memory(tiny_segmenter: Segmenters) -> None:
    undone, never = (tiny_segmenter(gap=2) for _ in range(2))
    for each in (undone, never):
        run(each, 5)
    undone.refine(3, CLIP[5][1] == 3)
    run(undone, 9)
    shown = undone.undo(3)
    assert (shown.frame, shown.memory[0].frames) == (9, never.memory[0].frames)
    assert np.array_equal(shown.label, never.step(CLIP[9][0]).label)  # as if 6, 7 and 8 had not come
    assert np.array_equal(undone.logits(), never.logits())


@PLANS
def test_another_groups_memory_is_bitwise_the_same(tiny_bundle: Path, plan: str) -> None:
    alone, company = (Segmenter(tiny_bundle, plan=plan, threads=1, gap=2) for _ in range(2))
    for each in (alone, company):
        each.start(CLIP[0][0], only(CLIP[0][1], 1, 2))
    for t in range(1, 16):
        frame, truth = CLIP[t]
        alone.step(frame, remember=only(truth, 1, 2))
        result = company.step(frame, remember=truth)
        assert np.array_equal(alone.logits()[0], company.logits()[0])
        assert alone.memory[0].frames == company.memory[0].frames
        if t == 1:
            company.add_objects(only(truth, 3, 4))  # later, or all would be one group
        if t == 3:
            company.refine(3, truth == 3)
        if t == 6:
            third = result
        if t == 8:
            company.refine(4, CLIP[6][1] == 4, frame=CLIP[6][0], result=third)
        if t == 11:
            company.undo(4)


def test_neighbours_of_its_group_are_remembered_as_they_were_found() -> None:
    """What a corrected frame leaves in the memory is what `start` would make of the same label map."""
    corrected, drawn = (Segmenter("demo", threads=1, policy="none", gap=1) for _ in range(2))
    found = run(corrected, 4)[-1].label
    shown = corrected.refine(1, CLIP[4][1] == 1).label
    expected = np.where(CLIP[4][1] == 1, 1, np.where(found == 1, 0, found))
    assert np.array_equal(shown, expected)
    drawn.start(CLIP[4][0], expected.astype(np.uint8), number=4)
    entries = [each._groups.cohorts[0]._previous for each in (corrected, drawn)]  # type: ignore[union-attr]
    download = corrected.backend.device.download
    assert drawn.ids == [1, 2, 3, 4]  # the same channels
    for name in entries[0]:
        assert np.array_equal(download(entries[0][name]), download(entries[1][name]))


def test_a_bank_never_holds_more_than_its_capacity_and_labelled_frames_stay(
    tiny_segmenter: Segmenters,
) -> None:
    segmenter = tiny_segmenter(policy="fifo", gap=1, capacity=4)
    run(segmenter, 8)
    for t in range(9, 20):
        segmenter.step(CLIP[t][0])
        held = segmenter.refine(1 + t % 4, CLIP[t][1] == 1 + t % 4).memory[0].frames
        assert len(held) <= 4 and held[0] == 0 and held[-1] == t
    assert held == [0, 17, 18, 19]
    assert segmenter.step(CLIP[20][0]).memory_frames == [0, 18, 19, 20]


def test_what_cannot_be_corrected_or_undone_is_told(tiny_segmenter: Segmenters) -> None:
    segmenter = tiny_segmenter()
    mask = CLIP[0][1] == 1
    with pytest.raises(StateError, match="No frame"):
        segmenter.refine(1, mask)
    first = run(segmenter, 2, only(CLIP[0][1], 1, 2))[0]
    segmenter.add_objects(only(CLIP[2][1], 3))
    with pytest.raises(PromptError, match="no object 9"):
        segmenter.refine(9, mask)
    with pytest.raises(PromptError, match="bool"):
        segmenter.refine(1, mask[:50])
    with pytest.raises(PromptError, match="bool"):
        segmenter.refine(1, CLIP[0][1])  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="empty"):
        segmenter.refine(1, mask & ~mask)
    with pytest.raises(PromptError, match="missing"):
        segmenter.refine(1, mask, frame=CLIP[0][0])
    with pytest.raises(SourceError, match="was 128x96"):
        segmenter.refine(1, mask, frame=np.zeros((32, 32, 3), np.uint8), result=first)
    with pytest.raises(PromptError, match="not followed yet at frame 0"):
        segmenter.refine(3, mask, frame=CLIP[0][0], result=first)
    with pytest.raises(StateError, match="No correction of object 1"):
        segmenter.undo(1)


def test_only_the_latest_corrections_of_a_group_can_be_undone(tiny_segmenter: Segmenters) -> None:
    segmenter = tiny_segmenter()
    run(segmenter, 1)
    for object_id in (1, 2):
        segmenter.refine(object_id, CLIP[1][1] == object_id)
    with pytest.raises(StateError, match="Object 2, which shares its memory"):
        segmenter.undo(1)
    for object_id in (2, 1):
        segmenter.undo(object_id)
    for _ in range(4):
        segmenter.refine(1, CLIP[1][1] == 1)
    for _ in range(3):
        segmenter.undo(1)
    with pytest.raises(StateError, match="one of the latest 3"):
        segmenter.undo(1)
    segmenter.refine(1, CLIP[1][1] == 1)
    segmenter.switch_policy("fifo")
    with pytest.raises(StateError, match="No correction"):
        segmenter.undo(1)


def test_an_object_added_late_is_not_shown_where_it_was_by_a_later_one(tiny_segmenter: Segmenters) -> None:
    """An addition on a past frame leaves the latest frame's features to whoever adds on that."""
    mixed, plain = (tiny_segmenter() for _ in range(2))
    for each in (mixed, plain):
        run(each, 5, only(CLIP[0][1], 1))
    mixed.add_objects(only(CLIP[2][1], 2), frame=CLIP[2][0], number=2)
    for each in (mixed, plain):
        each.add_objects(only(CLIP[5][1], 3))
        each.step(CLIP[6][0])
    assert np.array_equal(mixed.logits()[2], plain.logits()[1])
