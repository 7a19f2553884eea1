"""Policies in the banks of single objects, on a small SAM 2.1 of random weights."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from ermu.errors import OptionError
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.memory.objects.choosing import CONSTANTS
from ermu.runtime.memory.objects.options import check_options
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.segmenter import Segmenter
from tests.runtime.conftest import boxes

pytest.importorskip("transformers")
SIDE = 128
LABEL = boxes(SIDE, SIDE, id1=(20, 30, 60, 70), id2=(70, 60, 120, 110))
POLICIES = ("ermu", "rmem", "fifo")


@pytest.fixture(scope="module")
def bundle(sam2_bundle):
    return Bundle.load(sam2_bundle)


@pytest.fixture(scope="module")
def opened(bundle):
    """A segmenter; all share their graphs."""
    with open_backend(bundle, threads=1) as backend:
        yield lambda **options: Segmenter(bundle, backend=backend, **options)


def clip(count, seed=0):
    """A pattern that wanders and jumps, with noise: BGR uint8."""
    rng = np.random.default_rng(seed)
    picture = np.kron(rng.integers(0, 256, (16, 16, 3)), np.ones((8, 8, 1)))
    shifts = rng.integers(0, 40, count // 5 + 1).repeat(5)
    noise = rng.normal(0, 8, (count, SIDE, SIDE, 3))
    return [
        np.uint8(np.clip(np.roll(picture, 3 * int(shifts[i]), 1) + noise[i], 0, 255)) for i in range(count)
    ]


def banks(segmenter):
    return [each.bank for each in segmenter._groups._objects]


def redundancy_of(memory):
    """Step 3 of docs/spec/ermu.md, of features alone."""
    columns = memory.astype(np.float64) / np.linalg.norm(memory.astype(np.float64), axis=1, keepdims=True)
    gram = np.einsum("inc,jnc->ij", columns, columns)
    np.fill_diagonal(gram, 0)
    return np.round(gram.sum(axis=1) / gram.sum(), 4)


@pytest.mark.parametrize("policy", POLICIES)
def test_scoring_has_a_time_of_its_own(opened, policy):
    """As with groups: a stage beside `memorize`, on frames on which somebody is asked."""
    segmenter = opened(policy=policy, gap=2)
    frames = clip(5)
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        began = perf_counter()
        ms = segmenter.step(frame).ms
        assert ("score" in ms) == (policy != "fifo" and number % 2 == 0)
        assert sum(ms.values()) < 1e3 * (perf_counter() - began)  # no stage lies in another


def test_who_leaves(opened):
    """Redundancy and scores once more, by the formulas: of six frames without a prompt, the lowest."""
    segmenter = opened(policy="ermu")
    frames = clip(50)
    segmenter.start(frames[0], LABEL * (LABEL == 1))
    ages, mean = [], {}
    for number, frame in enumerate(frames[1:], start=1):
        (bank,) = banks(segmenter)
        held, memory = bank.frames, bank.memory.downloaded()[np.argsort(bank.memory.frames)]
        (update,) = segmenter.step(frame, remember=LABEL * (LABEL == 1) if number == 20 else None).memory
        if update.decision.slot is None:
            assert number < 7 or number == 20
            continue
        decision, prompted = update.decision, {0} if number < 20 else {0, 20}
        np.testing.assert_allclose(decision.redundancy, redundancy_of(memory), atol=1e-4)
        now = dict(zip(held, decision.relevance, strict=True))
        mean = {f: 0.8 * r + 0.2 * mean[f] if f in mean else r for f, r in now.items()}
        scores = {
            f: 2 * mean[f] + 1 / (1 + np.exp(7 * (red - 0.25)))
            for f, red in zip(held, decision.redundancy, strict=True)
        }
        np.testing.assert_allclose(decision.scores, list(scores.values()), rtol=1e-9)
        others = [f for f in held if f not in prompted]
        assert len(others) == 6
        assert update.evicted == min(others, key=scores.__getitem__)
        assert update.frames == sorted({*held, number} - {update.evicted})
        ages.append(others.index(update.evicted))
    assert any(0 < age < 5 for age in ages), "one from the middle"
    assert CONSTANTS.update_mean_at == "eviction"


def test_rows_are_ranks_of_age(opened):
    segmenter = opened(policy="ermu")
    frames = clip(30)
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        segmenter.step(frame, remember=LABEL if number == 9 else None)
    table = np.arange(7, dtype=np.float32)[:, None]
    for bank in banks(segmenter):
        others = sorted(set(bank.memory.frames) - {0, 9}, reverse=True)
        assert bank.prompted == [0, 9] and len(others) == 6
        wanted = [6 if f in (0, 9) else others.index(f) for f in bank.memory.frames]
        assert bank.rows(table)[:, 0].tolist() == wanted


def test_fifo_asks_nobody(opened):
    segmenter = opened(policy="fifo")
    frames = clip(12)
    segmenter.start(frames[0], LABEL)
    for frame in frames[1:]:
        update = segmenter.step(frame).memory[0]
    assert update.frames == [0, 6, 7, 8, 9, 10, 11] and update.decision.scores is None
    assert segmenter._groups._choosers.keys() == {("fifo", 7)}
    assert segmenter._groups._chooser(segmenter._options) is None


@pytest.mark.parametrize("policy", ["ermu", "rmem"])
def test_nobody_is_disturbed_by_another(opened, policy):
    frames, alone = clip(24), []
    only = opened(policy=policy)
    only.start(frames[0], LABEL * (LABEL == 1))
    for frame in frames[1:]:
        update = only.step(frame).memory[0]
        alone.append((only.logits()[0, 1].copy(), update.frames))
    segmenter = opened(policy=policy)
    segmenter.start(frames[0], LABEL)
    for number, frame in enumerate(frames[1:], start=1):
        update = segmenter.step(frame).memory[0]
        np.testing.assert_array_equal(segmenter.logits()[0, 1], alone[number - 1][0])
        assert update.frames == alone[number - 1][1]
        if number == 8:
            segmenter.add_objects(boxes(SIDE, SIDE, id3=(2, 80, 30, 120)))
        if number == 14:
            segmenter.remove_objects([2])


@pytest.mark.parametrize("policy", ["ermu", "rmem"])
def test_a_session_goes_on_to_the_bit(opened, bundle, tmp_path, policy):
    frames = clip(30)
    segmenter = opened(policy=policy)
    segmenter.start(frames[0], LABEL)
    for frame in frames[1:15]:
        segmenter.step(frame)
    segmenter.save(tmp_path / "s.ermu")
    with Segmenter.restore(bundle, tmp_path / "s.ermu", threads=1) as other:
        assert other.policy == policy
        for frame in frames[15:]:
            ours, theirs = segmenter.step(frame), other.step(frame)
            np.testing.assert_array_equal(segmenter.logits(), other.logits())
            for mine, its in zip(ours.memory, theirs.memory, strict=True):
                assert mine.frames == its.frames and mine.evicted == its.evicted
                np.testing.assert_array_equal(mine.decision.scores, its.decision.scores)


def test_a_correction_undone_never_was(opened):
    frames = clip(30)
    segmenters = [opened(policy="rmem") for _ in range(2)]
    for segmenter in segmenters:
        segmenter.start(frames[0], LABEL)
        for frame in frames[1:15]:
            segmenter.step(frame)
    segmenters[1].refine(1, LABEL == 2)
    assert banks(segmenters[1])[0].frames == [0, 14]
    segmenters[1].undo(1)
    for frame in frames[15:]:
        ours, theirs = (segmenter.step(frame).memory[0] for segmenter in segmenters)
        assert ours.frames == theirs.frames
        np.testing.assert_array_equal(ours.decision.scores, theirs.decision.scores)


def test_policies_are_switched_mid_stream(opened):
    frames = clip(60)
    segmenter = opened(policy="fifo")
    segmenter.start(frames[0], LABEL)
    to = {15: "ermu", 30: "fifo", 45: "rmem"}
    for number, frame in enumerate(frames[1:], start=1):
        label = LABEL if number in (12, 28) else None
        full = [len(set(update.frames) - {0, 12, 28}) == 6 for update in segmenter.memory]
        updates = segmenter.step(frame, remember=label).memory
        for update, was_full in zip(updates, full, strict=True):
            others = set(update.frames) - {0, 12, 28}
            assert len(others) <= 6 and (number in others or label is not None)
            scored = segmenter.policy != "fifo" and label is None and was_full
            assert (update.decision.scores is not None) == scored
        if number in to:
            segmenter.switch_policy(to[number])
            assert [update.frames for update in segmenter.memory] == [update.frames for update in updates]
        if number == 44:
            assert updates[0].frames == [0, 12, 28, 39, 40, 41, 42, 43, 44]


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_is_bounded_over_hundreds_of_frames(opened, policy):
    segmenter, frames = opened(policy=policy), clip(20)
    segmenter.start(frames[0], LABEL)
    resident = {}
    for number in range(1, 301):
        segmenter.step(frames[number % 20], remember=LABEL if number % 40 == 0 else None)
        if number in (150, 300):
            resident[number] = _resident_bytes()
    for bank in banks(segmenter):
        assert len(bank.memory) <= 8 + 6 and len(bank.pointers) <= 8 + 15
        assert len(set(bank.memory.frames) - set(bank.prompted)) <= 6
        assert len(bank.remembered) <= 7
    assert resident[300] < 1.02 * resident[150]


def test_a_bank_larger_than_what_is_scored_is_refused(bundle):
    """32 frames at most, eight of them with a prompt."""
    manifest = bundle.object_manifest
    large = manifest.model_copy(update={"memory_rows": manifest.memory_rows * 6})
    check_options(large, MemoryOptions("ermu", 25, 1))
    check_options(large, MemoryOptions("fifo", 42, 1))
    with pytest.raises(OptionError, match="Capacity 26 is too large for the policy ermu") as raised:
        check_options(large, MemoryOptions("ermu", 26, 1))
    assert "at most 25" in str(raised.value)


def _resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1])
