"""Sessions of objects with memories of their own: gone on from to the bit, or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ermu.errors import SessionError, StateError
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.format import read_file, write_file
from tests.runtime.conftest import boxes
from tests.support.toy.bundle import write_toy
from tests.support.toy.truth import noise

LABEL = boxes(64, 64, id3=(4, 8, 28, 24), id7=(36, 40, 60, 60))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy(tmp_path_factory.mktemp("toy") / "bundle")


@pytest.fixture
def segmenter(toy):
    with Segmenter(toy, threads=1, capacity=3, gap=2) as segmenter:
        yield segmenter


def _busy(segmenter, frames):
    """Twelve frames with objects that come and go, labels and a correction."""
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:12], start=1):
        segmenter.step(frame, remember=LABEL if number in (3, 8) else None)
        if number == 5:
            segmenter.add_objects(boxes(64, 64, id9=(30, 4, 50, 20)))
        if number == 7:
            segmenter.remove_objects([7])
        if number == 10:
            segmenter.refine(3, LABEL == 7)


def test_it_goes_on_to_the_bit(segmenter, toy, tmp_path):
    frames = noise(30)
    _busy(segmenter, frames)
    segmenter.save(tmp_path / "s.ermu")
    with Segmenter.restore(toy, tmp_path / "s.ermu", threads=1) as other:
        assert (other.ids, other.capacity, other.gap, other.frame) == ([3, 9], 3, 2, 11)
        assert other.memory == segmenter.memory
        np.testing.assert_array_equal(other.logits(), segmenter.logits())
        for frame in frames[12:]:
            ours, theirs = segmenter.step(frame), other.step(frame)
            np.testing.assert_array_equal(ours.label, theirs.label)
            np.testing.assert_array_equal(segmenter.logits(), other.logits())
            assert ours.memory == theirs.memory
        with pytest.raises(StateError, match="No correction"):
            other.undo(3)


def test_the_same_is_the_same_file(segmenter, tmp_path):
    _busy(segmenter, noise(12))
    heads = []
    for name in ("a", "b"):
        segmenter.save(tmp_path / name)
        head, arrays = read_file(tmp_path / name, name)
        heads.append(({k: v for k, v in head.items() if k != "saved"}, arrays.keys()))
        assert arrays["object0/memory"].shape == (len(head["segmenter"]["objects"][0]["frames"]), 16, 2)
    assert heads[0] == heads[1]


def test_another_stream_is_primed(segmenter, toy):
    """Another picture size and content: the banks stay, and the first frame is found without a mask."""
    _busy(segmenter, noise(12))
    session = segmenter.session()
    held = [update.frames for update in segmenter.memory]
    with Segmenter(toy, threads=1) as other:
        result = other.prime(session, np.full((48, 80, 3), 200, np.uint8))
        assert result.frame == 12 and result.label.shape == (48, 80)
        assert [update.frames for update in result.memory] == held
        assert [each.id for each in result.objects] == [3, 9]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: each.update(frames=each["frames"][::-1][:-1]), "object0/memory is float32"),
        (lambda each: each.update(prompted=[each["frames"][0], 5000]), "one is not held"),
        (lambda each: each.update(prompted=each["prompted"][::-1]), "not in order"),
        (lambda each: each.update(remembered=[1, 2, 3, 4, 5, 6]), "more frames are known"),
        (lambda each: each.update(remembered=[20, 21, 22]), "more than the capacity"),
        (lambda each: each.update(frames=[0] * len(each["frames"])), "do not fit"),
        (lambda each: each.update(id=9), "an id twice"),
        (lambda each: each.pop("pointer_frames"), "pointer_frames: Field required"),
    ],
)
def test_what_makes_no_sense_is_refused(segmenter, toy, tmp_path, change, said):
    frames = noise(14)
    _busy(segmenter, frames)
    segmenter.step(frames[12])
    segmenter.step(frames[13])
    segmenter.save(tmp_path / "s.ermu")
    head, arrays = read_file(tmp_path / "s.ermu", "s")
    change(head["segmenter"]["objects"][0])
    write_file(tmp_path / "t.ermu", json.loads(json.dumps(head)), arrays)
    with pytest.raises(SessionError, match=said):
        Segmenter.restore(toy, tmp_path / "t.ermu", threads=1)


def test_a_groups_session_is_refused(segmenter, tiny_bundle, toy, tmp_path):
    with Segmenter(tiny_bundle, threads=1) as grouped:
        grouped.start(noise(1)[0], LABEL)
        grouped.save(tmp_path / "g.ermu")
    with pytest.raises(SessionError, match="another bundle: network tiny"):
        Segmenter.restore(toy, tmp_path / "g.ermu", threads=1)
