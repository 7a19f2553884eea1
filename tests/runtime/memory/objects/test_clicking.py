"""Objects by clicks and boxes, against answers worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ermu.errors import BundleError, PromptError, StateError
from ermu.runtime.images.prompter import Box, Point
from tests.runtime.conftest import boxes
from tests.runtime.memory.objects.conftest import heat
from tests.support.toy.truth import Features, ToyObject, answer, noise

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
LABEL = boxes(64, 64, id3=(4, 8, 28, 24))
HINTS = [
    ([Point(20, 10), Point(40, 50, positive=False), Point(3, 60)], 0.01 * (20 + 10 + 3 + 60)),
    (Box(8, 4, 30, 21), 0.01 * (2 * (8 + 4) + 3 * (30 + 21))),
]


def _clicked(features, mixed, said):
    """What the toy finds by clicks, and the mask that this makes at network size."""
    found = answer(features, mixed, said)
    large = cv2.resize(found.heat, (64, 64), interpolation=cv2.INTER_LINEAR)
    return found, (large > 0).astype(float)


def _follow(segmenter, known, object_id, number, frame):
    features = Features.of(frame)
    found = known.segment(features, number)
    np.testing.assert_allclose(heat(segmenter, object_id), found.heat, **CLOSE)
    known.remember(number, features, found)


@pytest.mark.parametrize(("hint", "said"), HINTS)
def test_an_object_begins_where_it_is_clicked(toy_segmenter, hint, said):
    """Without a memory, with the clicks' own pointer; the frame is one with a prompt."""
    frames = [frame // 2 for frame in noise(12, seed=21)]
    segmenter, known, features = toy_segmenter(), ToyObject(), Features.of(frames[0])
    segmenter.start(frames[0])
    clicked = segmenter.add_object_at(5, hint)
    found, mask = _clicked(features, features.coarse + 10, said)
    np.testing.assert_allclose(heat(segmenter, 5), found.heat, **CLOSE)
    np.testing.assert_array_equal(clicked.mask, mask)
    np.testing.assert_array_equal(clicked.result.label, 5 * mask)
    known.prompt(0, features, mask, found)
    for number, frame in enumerate(frames[1:], start=1):
        segmenter.step(frame)
        _follow(segmenter, known, 5, number, frame)


def test_on_an_earlier_frame_beside_others(toy_segmenter):
    frames = noise(12, seed=22)
    segmenter, known = toy_segmenter(), ToyObject()
    segmenter.start(frames[0], LABEL)
    for frame in frames[1:6]:
        segmenter.step(frame)
    before = heat(segmenter, 3).copy()
    hint, said = HINTS[0]
    clicked = segmenter.add_object_at(5, hint, frame=frames[3], number=3)
    features = Features.of(frames[3])
    found, mask = _clicked(features, features.coarse + 10, said)
    np.testing.assert_array_equal(clicked.mask, mask)
    np.testing.assert_array_equal(heat(segmenter, 3), before)
    known.prompt(3, features, mask, found)
    for number in range(6, 12):
        segmenter.step(frames[number])
        _follow(segmenter, known, 5, number, frames[number])
    assert segmenter.memory[1].frames == [3, 9, 10, 11]


@pytest.mark.parametrize("corrected", [0, 5, 8])
def test_a_correction_by_clicks(toy_segmenter, corrected):
    """On the first frame, an earlier one and the latest: by what was known of the object before it."""
    frames, known, earlier = noise(16, seed=23), ToyObject(), {}
    segmenter, results = toy_segmenter(), []
    results.append(segmenter.start(frames[0], LABEL))
    known.prompt(0, Features.of(frames[0]), (LABEL == 3).astype(float))
    for number in range(1, 9):
        results.append(segmenter.step(frames[number]))
        _follow(segmenter, known, 3, number, frames[number])
    hint, said = HINTS[0]
    features = Features.of(frames[corrected])
    # Of frames up to 8 the bank of four holds 0, 6, 7 and 8, and pointers of 4 on.
    earlier = ToyObject(prompted=[0] if corrected else [])
    earlier.entries = {f: known.entries[f] for f in (0, 6, 7, 8) if f < corrected}
    earlier.pointers = {f: known.pointers[f] for f in (0, 4, 5, 6, 7, 8) if f < corrected}
    mixed = earlier.mixed(features, corrected) if corrected else features.coarse + 10
    found, mask = _clicked(features, mixed, said)
    latest = corrected == 8
    given = {} if latest else {"frame": frames[corrected], "result": results[corrected]}
    clicked = segmenter.refine_at(3, hint, **given)
    np.testing.assert_array_equal(clicked.mask, mask)
    if latest:
        np.testing.assert_allclose(heat(segmenter, 3), found.heat, **CLOSE)
        np.testing.assert_array_equal(clicked.result.label, 3 * mask)
    known.prompt(corrected, features, mask, found)
    for past in (known.entries, known.pointers):
        for frame in set(past) - set(known.prompted):
            del past[frame]
    known.prompted = sorted(set(known.prompted))
    if not latest:
        _follow(segmenter, known, 3, 8, frames[8])
    for number in range(9, 16):
        segmenter.step(frames[number])
        _follow(segmenter, known, 3, number, frames[number])


def test_a_correction_by_clicks_is_undone(toy_segmenter):
    frames = noise(8, seed=24)
    segmenter, untouched = toy_segmenter(), toy_segmenter()
    for each in (segmenter, untouched):
        each.start(frames[0], LABEL)
        each.step(frames[1])
    segmenter.refine_at(3, HINTS[0][0])
    segmenter.undo(3)
    for frame in frames[2:]:
        np.testing.assert_array_equal(segmenter.step(frame).label, untouched.step(frame).label)
        np.testing.assert_array_equal(heat(segmenter, 3), heat(untouched, 3))


def test_a_mask_alone_is_not_remembered(toy_segmenter):
    frame, (hint, said) = noise(1, seed=25)[0] // 2, HINTS[1]
    segmenter, features = toy_segmenter(), Features.of(frame)
    segmenter.start(frame, LABEL)
    before = segmenter.logits()
    mask = segmenter.mask_at(hint)
    np.testing.assert_array_equal(mask, _clicked(features, features.coarse + 10, said)[1])
    np.testing.assert_array_equal(segmenter.logits(), before)
    assert segmenter.ids == [3]


def test_frames_of_another_shape_are_clicked_in_their_own_pixels(toy_segmenter):
    """(120, 30) of a frame of 320 x 128 is (24, 15) of the network's 64 x 64."""
    segmenter, frame = toy_segmenter(), np.full((128, 320, 3), 40, np.uint8)
    segmenter.start(frame)
    segmenter.add_object_at(1, [Point(120, 30)])
    features = Features.of(np.full((64, 64, 3), 40, np.uint8))
    expected = answer(features, features.coarse + 10, 0.01 * (24 + 15))
    np.testing.assert_allclose(heat(segmenter, 1), expected.heat, **CLOSE)


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ([], "No point lies on the object"),
        ([Point(3, 3, positive=False)], "No point lies on the object"),
        ([Point(64, 3)], r"The point \(64, 3\) lies outside"),
        (Box(70, 3, 90, 20), "covers nothing of the frame"),
        (Box(20, 3, 20, 9), "covers nothing of the frame"),
        ([Point(1, 1), Point(63, 63, positive=True), Point(0, 63, positive=True)], None),
    ],
)
def test_hints_that_make_no_sense(toy_segmenter, hint, said):
    segmenter = toy_segmenter()
    segmenter.start(noise(1)[0])
    if said is None:
        segmenter.add_object_at(1, hint)
        return
    with pytest.raises(PromptError, match=said):
        segmenter.add_object_at(1, hint)
    assert segmenter.ids == []


def test_nothing_is_seen_there(toy_segmenter):
    """Of a black frame and a memory of nothing the toy is sure: nothing is added, nothing changed."""
    frames = [np.zeros((64, 64, 3), np.uint8)] * 3
    segmenter = toy_segmenter()
    segmenter.start(frames[0], LABEL)
    segmenter.step(frames[1])
    before = segmenter.logits()
    with pytest.raises(PromptError, match=r"sees no object at \(1, 1\)") as raised:
        segmenter.refine_at(3, [Point(1, 1), Point(60, 2, positive=False)])
    assert "draw a box around it" in str(raised.value.fix)
    np.testing.assert_array_equal(segmenter.logits(), before)
    assert segmenter.memory[0].frames == [0, 1]


def test_a_box_in_which_nothing_is_seen_is_named(toy_segmenter):
    """As above; what is advised is no box, which was drawn already."""
    segmenter = toy_segmenter()
    segmenter.start(np.zeros((64, 64, 3), np.uint8), LABEL)
    segmenter.step(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(PromptError, match=r"sees no object in the box \(0, 0, 1, 2\)") as raised:
        segmenter.refine_at(3, Box(0, 0, 1, 2))
    assert "closer around the object" in str(raised.value.fix)


def test_ids_and_order(toy_segmenter):
    segmenter = toy_segmenter()
    with pytest.raises(StateError, match="call start"):
        segmenter.add_object_at(1, [Point(1, 1)])
    segmenter.start(noise(1)[0], LABEL)
    for taken in (3, 0, 255):
        with pytest.raises(PromptError, match=f"The id {taken} is not free"):
            segmenter.add_object_at(taken, [Point(1, 1)])
    with pytest.raises(PromptError, match="There is no object 4"):
        segmenter.refine_at(4, [Point(1, 1)])


def test_networks_that_know_no_clicks(tiny_segmenter):
    segmenter = tiny_segmenter()
    segmenter.start(noise(1)[0], LABEL)
    assert not segmenter.takes_clicks
    for ask in (segmenter.add_object_at, segmenter.refine_at):
        with pytest.raises(BundleError, match="of the network tiny"):
            ask(3, [Point(1, 1)])
