"""Objects with memories of their own, against answers worked out by hand (`tests.support.toy`)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ermu.errors import OptionError
from tests.runtime.conftest import boxes
from tests.runtime.memory.objects.conftest import heat
from tests.support.toy.bundle import CAPACITY, MOST_POINTERS
from tests.support.toy.truth import Features, ToyObject, noise

LABEL = boxes(64, 64, id3=(4, 8, 28, 24), id7=(36, 40, 60, 60))
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def _begun(frame, label, capacity=CAPACITY, number=0):
    """The objects of a label map, as the truth has them."""
    known = {int(i): ToyObject(capacity) for i in np.unique(label) if i}
    for i, each in known.items():
        each.prompt(number, Features.of(frame), (label == i).astype(float))
    return known


def _label(heats: dict[int, np.ndarray], hw=(64, 64)) -> np.ndarray:
    """Per pixel the largest of 0 and the objects' logits."""
    size = hw[::-1]
    large = [cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in heats.values()]
    return np.array([0, *heats])[np.argmax([np.zeros(hw), *large], axis=0)]


@pytest.mark.parametrize("capacity", [2, 3, CAPACITY])
def test_every_frame_is_what_it_should_be(toy_segmenter, capacity):
    """Forty frames: which are held with which rows, and which pointers with which ages."""
    frames = noise(40)
    segmenter, known = toy_segmenter(capacity=capacity), _begun(frames[0], LABEL, capacity)
    begun = segmenter.start(frames[0], LABEL)
    np.testing.assert_array_equal(begun.label, LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        result, features = segmenter.step(frame), Features.of(frame)
        answers = {i: each.segment(features, number) for i, each in known.items()}
        for (i, each), update in zip(known.items(), result.memory, strict=True):
            np.testing.assert_allclose(heat(segmenter, i), answers[i].heat, **CLOSE)
            each.remember(number, features, answers[i])
            assert update.ids == [i] and update.frames == sorted(each.held())
        expected = _label({i: answer.heat for i, answer in answers.items()})
        assert (result.label != expected).mean() < 0.001, "ties of rounding aside"


def test_memories_keep_the_gap_and_pointers_every_frame(toy_segmenter):
    frames = noise(30, seed=1)
    segmenter, known = toy_segmenter(gap=3), _begun(frames[0], LABEL)
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        result, features = segmenter.step(frame), Features.of(frame)
        for i, each in known.items():
            answer = each.segment(features, number)
            np.testing.assert_allclose(heat(segmenter, i), answer.heat, **CLOSE)
            each.remember(number, features, answer, due=number % 3 == 0)
        assert result.memory[0].frames == sorted(known[3].held())
    assert result.memory[0].frames == [0, 21, 24, 27]


def test_a_label_map_to_remember_is_a_prompt(toy_segmenter):
    """Frames 4, 5 and 11 are labelled: object 3 is on all of them, 7 on frame 5 alone."""
    frames = noise(24, seed=2)
    given = {4: boxes(64, 64, id3=(8, 8, 20, 20)), 5: LABEL[::-1].copy(), 11: LABEL * (LABEL == 3)}
    segmenter, known = toy_segmenter(), _begun(frames[0], LABEL)
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        label, features = given.get(number), Features.of(frame)
        result = segmenter.step(frame, remember=label)
        for i, each in known.items():
            answer = each.segment(features, number)
            np.testing.assert_allclose(heat(segmenter, i), answer.heat, **CLOSE)
            if label is None:
                each.remember(number, features, answer)
                continue
            each.prompt(number, features, (label == i).astype(float))
            if not (label == i).any():
                each.prompted.remove(number)  # not on it: remembered as absent, and no anchor
    assert [update.frames for update in result.memory] == [[0, 4, 5, 11, 21, 22, 23], [0, 5, 21, 22, 23]]


def test_memory_is_bounded_over_hundreds_of_frames(toy_segmenter):
    """Labels all along: the first and the latest seven stay, and as many pointers beside the latest five."""
    frames = noise(300, seed=3)
    segmenter, known = toy_segmenter(), _begun(frames[0], LABEL)
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        features, label = Features.of(frame), LABEL if number % 10 == 0 else None
        result = segmenter.step(frame, remember=label)
        for i, each in known.items():
            answer = each.segment(features, number)
            np.testing.assert_allclose(heat(segmenter, i), answer.heat, **CLOSE)
            if label is None:
                each.remember(number, features, answer)
            else:
                each.prompt(number, features, (label == i).astype(float))
    for update, each in zip(result.memory, known.values(), strict=True):
        assert update.frames == [0, *range(230, 300, 10), 297, 298, 299]
        assert len(each.ages(300)) == 8 + MOST_POINTERS - 1
    held = [len(each.bank.pointers) for each in segmenter._groups._objects]
    assert held == [8 + MOST_POINTERS - 1] * 2


def test_nobody_is_disturbed_by_another(toy_segmenter):
    """Logits of object 3, bit by bit: alone, beside others that come and go, and behind eleven of them."""
    frames = noise(12, seed=4)
    only = toy_segmenter()
    only.start(frames[0], LABEL * (LABEL == 3))
    alone = [heat(only, 3).copy()]
    for frame in frames[1:]:
        only.step(frame)
        alone.append(heat(only, 3).copy())
    many = boxes(64, 64, **{f"id{i}": (4 * i - 40, 0, 4 * i - 36, 4) for i in range(11, 22)})
    segmenter = toy_segmenter()
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        segmenter.step(frame)
        if number == 2:
            segmenter.add_objects(many)
        if number == 5:
            segmenter.remove_objects([7, 12])
        if number == 8:
            segmenter.remove_objects([11, *range(13, 22)])
        np.testing.assert_array_equal(heat(segmenter, 3), alone[number])
    assert segmenter.ids == [3] and segmenter.logits().shape == (1, 11, 16, 16)


def test_objects_that_come_later_begin_where_they_are(toy_segmenter):
    """Object 9 is drawn on frame 3 when frame 5 has been seen: its pointer is as old as that."""
    frames = noise(12, seed=5)
    segmenter, known = toy_segmenter(), _begun(frames[0], LABEL)
    segmenter.start(frames[0], LABEL)
    drawn = boxes(64, 64, id9=(20, 28, 44, 36))
    for number, frame in enumerate(frames[1:], start=1):
        result, features = segmenter.step(frame), Features.of(frame)
        for i, each in known.items():
            answer = each.segment(features, number)
            np.testing.assert_allclose(heat(segmenter, i), answer.heat, **CLOSE)
            each.remember(number, features, answer)
        if number == 5:
            segmenter.add_objects(drawn, frame=frames[3], number=3)
            known |= _begun(frames[3], drawn, number=3)
    assert result.memory[2].ids == [9] and result.memory[2].frames == [3, 9, 10, 11]


def test_frames_of_another_size_are_squeezed(toy_segmenter):
    """To the network's square, whatever their shape; label maps come back at their own size."""
    segmenter = toy_segmenter()
    frame = np.full((90, 160, 3), 80, np.uint8)
    frame[:, 80:] = 200
    label = boxes(90, 160, id5=(80, 0, 160, 90))
    segmenter.start(frame, label)
    result = segmenter.step(frame)
    assert result.label.shape == (90, 160)
    assert (result.label[:, 84:] == 5).all() and (result.label[:, :76] == 0).all()
    assert result.objects[0].box == pytest.approx((80, 0, 160, 90), abs=4)


def test_reset_and_start_begin_anew(toy_segmenter):
    frames = noise(4, seed=6)
    segmenter = toy_segmenter()
    runs = []
    for _ in range(2):
        segmenter.start(frames[0], LABEL)
        runs.append([segmenter.step(frame).label for frame in frames[1:]])
        segmenter.reset()
        assert segmenter.ids == []
    np.testing.assert_array_equal(*runs)


def test_probabilities_are_those_of_logits_beside_a_background_of_0(toy_segmenter):
    frames = noise(2, seed=7)
    segmenter = toy_segmenter()
    segmenter.start(frames[0], LABEL)
    segmenter.step(frames[1])
    found = segmenter.probabilities()
    large = [cv2.resize(heat(segmenter, i), (64, 64), interpolation=cv2.INTER_LINEAR) for i in (3, 7)]
    raised = np.exp([np.zeros((64, 64)), *large])
    np.testing.assert_allclose(found.values[:3], raised / raised.sum(axis=0), atol=1e-5)
    assert found.ids.tolist() == [0, 3, 7, *[0] * 8]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policy": "none"}, "policy none does not serve the network toy"),
        ({"policy": "ermu"}, "policy ermu does not serve the network toy"),
        ({"capacity": CAPACITY + 1}, "Capacity 5 is too large for the network toy"),
        ({"identities": "published"}, "toy has no identities"),
        ({"max_groups": 2}, "toy has no groups"),
    ],
)
def test_options_that_make_no_sense(toy_segmenter, options, said):
    with pytest.raises(OptionError, match=said):
        toy_segmenter(**options)


def test_no_other_policy_is_switched_to(toy_segmenter):
    segmenter = toy_segmenter()
    segmenter.start(noise(1)[0], LABEL)
    with pytest.raises(OptionError, match="policy rmem does not serve"):
        segmenter.switch_policy("rmem")
    assert segmenter.policy == "fifo"
    segmenter.switch_policy("fifo")


def test_label_maps_of_more_than_ten_objects(toy_segmenter):
    """Per pixel the largest logit above 0, whichever set of ten it is in; and what is seen is of that."""
    frames = noise(6, seed=8)
    many = boxes(
        64,
        64,
        **{
            f"id{i}": (5 * (i % 12), 8 * (i // 12), 5 * (i % 12) + 5, 8 * (i // 12) + 8) for i in range(1, 25)
        },
    )
    segmenter = toy_segmenter()
    segmenter.start(frames[0], many)
    for frame in frames[1:]:
        result = segmenter.step(frame)
        heats = {i: heat(segmenter, i) for i in segmenter.ids}
        assert np.array_equal(result.label, _label(heats))
        assert {each.id: each.area for each in result.objects if each.area} == {
            i: (result.label == i).sum() for i in np.unique(result.label) if i
        }
        found = segmenter.probabilities()
        assert np.array_equal(found.label(), result.label)
        np.testing.assert_allclose(found.values.sum(axis=0), 1, rtol=1e-5)
