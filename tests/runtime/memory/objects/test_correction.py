"""Corrections of objects with memories of their own, against answers worked out by hand; and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import PromptError, StateError
from tests.runtime.conftest import boxes
from tests.runtime.memory.objects.conftest import heat
from tests.support.toy.truth import Features, ToyObject, noise

LABEL = boxes(64, 64, id3=(4, 8, 28, 24), id7=(36, 40, 60, 60))
RIGHT = boxes(64, 64, id3=(16, 16, 40, 48)) == 3
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def _run(segmenter, frames, known=None):
    """Starts on the first frame and steps on the others; what is known of object 3 goes along."""
    results = [segmenter.start(frames[0], LABEL)]
    if known is not None:
        known.prompt(0, Features.of(frames[0]), (LABEL == 3).astype(float))
    for number, frame in enumerate(frames[1:], start=1):
        results.append(segmenter.step(frame))
        if known is not None:
            _follow(segmenter, known, number, frame)
    return results


def _follow(segmenter, known, number, frame):
    features = Features.of(frame)
    answer = known.segment(features, number)
    np.testing.assert_allclose(heat(segmenter, 3), answer.heat, **CLOSE)
    known.remember(number, features, answer)


def _forget(known, *, latest=None):
    """Of a corrected object: all but frames with a prompt, and the latest, which is found again."""
    for past in (known.entries, known.pointers):
        for frame in set(past) - {*known.prompted, latest}:
            del past[frame]


def test_the_latest_frame_is_corrected(toy_segmenter):
    frames, known = noise(20, seed=11), ToyObject()
    segmenter = toy_segmenter()
    _run(segmenter, frames[:10], known)
    other = heat(segmenter, 7).copy()
    result = segmenter.refine(3, RIGHT)
    given = known.prompt(9, Features.of(frames[9]), RIGHT.astype(float))
    _forget(known)
    np.testing.assert_allclose(heat(segmenter, 3), given.heat, **CLOSE)
    np.testing.assert_array_equal(result.label == 3, RIGHT)
    np.testing.assert_array_equal(heat(segmenter, 7), other)
    assert [update.frames for update in result.memory] == [[0, 9], [0, 7, 8, 9]]
    for number in range(10, 20):
        segmenter.step(frames[number])
        _follow(segmenter, known, number, frames[number])


def test_an_earlier_frame_is_corrected(toy_segmenter):
    """The latest is found again with it, and remembered as it is found then."""
    frames, known = noise(20, seed=12), ToyObject()
    segmenter = toy_segmenter()
    results = _run(segmenter, frames[:10], known)
    result = segmenter.refine(3, RIGHT, frame=frames[6], result=results[6])
    known.prompt(6, Features.of(frames[6]), RIGHT.astype(float))
    _forget(known)
    _follow(segmenter, known, 9, frames[9])
    assert result.frame == 9 and result.memory[0].frames == [0, 6, 9]
    for number in range(10, 20):
        segmenter.step(frames[number])
        _follow(segmenter, known, number, frames[number])


@pytest.mark.parametrize("later", [0, 2])
def test_undo_is_as_if_it_had_not_been(toy_segmenter, later):
    """To the bit, where it is undone at once; else the object goes on with the memory that it had then."""
    frames = noise(16, seed=13)
    segmenter, untouched = toy_segmenter(), toy_segmenter()
    _run(segmenter, frames[:8])
    _run(untouched, frames[:8])
    segmenter.refine(3, RIGHT)
    for frame in frames[8 : 8 + later]:
        segmenter.step(frame)
    undone = segmenter.undo(3)
    if later:
        assert undone.memory[0].frames == [0, 5, 6, 7]
        return
    np.testing.assert_array_equal(segmenter.logits()[0, 1:3], untouched.logits()[0, 1:3])
    for frame in frames[8:]:
        np.testing.assert_array_equal(segmenter.step(frame).label, untouched.step(frame).label)
        np.testing.assert_array_equal(segmenter.logits()[0, 1:3], untouched.logits()[0, 1:3])


def test_corrections_stack(toy_segmenter):
    segmenter = toy_segmenter()
    _run(segmenter, noise(4, seed=14))
    segmenter.refine(3, RIGHT)
    first = heat(segmenter, 3).copy()
    segmenter.refine(3, ~RIGHT)
    segmenter.undo(3)
    np.testing.assert_array_equal(heat(segmenter, 3), first)
    segmenter.undo(3)
    with pytest.raises(StateError, match="No correction of object 3"):
        segmenter.undo(3)


def test_one_that_was_not_there_yet(toy_segmenter):
    frames = noise(6, seed=15)
    segmenter = toy_segmenter()
    results = _run(segmenter, frames)
    segmenter.add_objects(boxes(64, 64, id9=(0, 0, 20, 20)))
    with pytest.raises(PromptError, match="Object 9 was not followed yet at frame 2"):
        segmenter.refine(9, RIGHT, frame=frames[2], result=results[2])
