"""Groups that run as one give what each gives by itself, whatever happens to one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from ermu.runtime.backends import base
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.memory.policy import Decision, EvictionPolicy, Evidence
from ermu.runtime.memory.sets import groups
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter

SIZE, CELL = (97, 145), 12
PER_GROUP = ("propagate", "decode", "memorize")
Then = Callable[[Segmenter, np.ndarray, FrameResult], FrameResult | None]


def _label(objects: int) -> np.ndarray:
    """Objects 1 to N, a square each."""
    label = np.zeros(SIZE, np.uint8)
    for k in range(objects):
        top, left = CELL * (k // (SIZE[1] // CELL)), CELL * (k % (SIZE[1] // CELL))
        label[top : top + CELL - 2, left : left + CELL - 2] = k + 1
    return label


def _frames(count: int) -> list[np.ndarray]:
    """Squares with a colour each, that drift over noise."""
    random = np.random.default_rng(5)
    colours, ground = (
        random.integers(0, 256, (256, 3), np.uint8),
        random.integers(0, 256, (*SIZE, 3), np.uint8),
    )
    label = _label(90)
    moved = (np.roll(label, (t % 3, t % 5), (0, 1)) for t in range(count))
    return [np.where(each[..., None] > 0, colours[each], ground) for each in moved]


@pytest.fixture
def follow(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch):
    """Follows objects, together or each group by itself, with something that happens after a frame."""

    def followed(
        objects: int,
        together: int,
        then: dict[int, Then],
        bundle: str | Path = tiny_bundle,
        **options: object,
    ) -> list[tuple]:
        monkeypatch.setattr(base, "MOST_TOGETHER", together)
        frames, found = _frames(13), []
        choice = {"backend": "onnxruntime", "plan": "whole", "capacity": 4, "gap": 1, **options}
        with Segmenter(bundle, **choice) as segmenter:
            result = segmenter.start(frames[0], _label(objects))
            for t, frame in enumerate(frames[1:], start=1):
                result = segmenter.step(frame)
                result = (then[t](segmenter, frame, result) if t in then else None) or result
                held = [(u.group, u.frames, u.evicted, u.decision) for u in result.memory]
                held.sort(key=lambda group: group[0])
                found.append((result.label.copy(), segmenter.logits(), held, segmenter.ids))
            sizes = [len(cohort) for cohort in segmenter._groups.cohorts]
        return [found, sizes]

    return followed


def _same(one: list, other: list) -> None:
    """Labels where no two objects tie; everything else exactly, or as sums are rounded."""
    for ours, theirs in zip(one, other, strict=True):
        for one, other in zip(ours[2], theirs[2], strict=True):
            assert one[:3] == other[:3]
            for seen in ("relevance", "redundancy", "scores"):
                values = [getattr(group[3], seen) for group in (one, other)]
                assert (values[0] is values[1]) or np.allclose(*values, atol=1e-5)
        assert ours[3] == theirs[3]
        np.testing.assert_allclose(ours[1], theirs[1], atol=1e-3)
        assert np.mean(ours[0] == theirs[0]) > 0.999


def _removed(ids: range) -> Then:
    return lambda segmenter, frame, result: segmenter.remove_objects(list(ids))


def _corrected(segmenter: Segmenter, frame: np.ndarray, result: FrameResult) -> FrameResult:
    return segmenter.refine(15, np.roll(_label(90) == 15, (4, 4), (0, 1)))


def _undone(segmenter: Segmenter, frame: np.ndarray, result: FrameResult) -> FrameResult:
    return segmenter.undo(15)


def _added(segmenter: Segmenter, frame: np.ndarray, result: FrameResult) -> None:
    label = _label(90)
    segmenter.add_objects(np.where(label > 70, label, 0).astype(np.uint8))


CASES: dict[str, tuple[int, dict[int, Then], list[int]]] = {
    "as they began": (45, {}, [5]),
    "more than run at once": (65, {}, [5, 2]),
    "a group leaves in the middle": (45, {6: _removed(range(11, 21))}, [4]),
    "before the banks are full": (45, {1: _removed(range(1, 11)), 2: _removed(range(41, 46))}, [3]),
    "newcomers": (25, {5: _added}, [3, 2]),
    "a correction": (35, {7: _corrected}, [1, 1, 2]),
    "a correction undone": (35, {7: _corrected, 9: _undone}, [1, 1, 2]),
    "all of it": (35, {3: _added, 5: _corrected, 6: _removed(range(21, 31)), 8: _undone}, [1, 1, 1, 2]),
}


@pytest.mark.parametrize("policy", ["ermu", "fifo", "none"])
@pytest.mark.parametrize("case", CASES)
def test_together_as_apart(case: str, policy: str, follow) -> None:
    objects, then, sizes = CASES[case]
    together, found = follow(objects, 5, then, policy=policy)
    apart, alone = follow(objects, 1, then, policy=policy)
    _same(together, apart)
    assert found == sizes and set(alone) == {1}


def test_the_26th_group_leaves_its_cohort_for_the_last_place(tiny_bundle: Path, monkeypatch) -> None:
    """There are labels for five of its objects alone: it is the narrowest, though not the youngest."""
    label, cell = np.zeros(SIZE, np.uint8), 6
    for k in range(255):
        top, left = cell * (k // (SIZE[1] // cell)), cell * (k % (SIZE[1] // cell))
        label[top : top + cell - 1, left : left + cell - 1] = k + 1
    frames, found = _frames(4), []
    for together in (5, 1):
        monkeypatch.setattr(base, "MOST_TOGETHER", together)
        with Segmenter(tiny_bundle, backend="onnxruntime", plan="whole", capacity=3, gap=1) as segmenter:
            segmenter.start(frames[0], np.where(label <= 15, label, 0).astype(np.uint8))
            segmenter.step(frames[1])
            segmenter.add_objects(np.where(label > 15, label, 0).astype(np.uint8))
            results = [segmenter.step(frame) for frame in frames[2:]]
            sizes = [len(cohort) for cohort in segmenter._groups.cohorts]
        found.append((results[-1].label, segmenter.ids, [u.frames for u in results[-1].memory], sizes))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1:3] == found[1][1:3]
    assert found[0][3] == [1, 5, 5, 5, 5, 4, 1]


class _Nth(EvictionPolicy):
    """Group n gives up its n-th oldest frame but one; some have no bound. All ask what the frame saw."""

    help = "for tests"
    needs_redundancy = True

    def __init__(self, n: int, *, bounded: bool) -> None:
        self.n, self.bounded = n, bounded

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """See `EvictionPolicy.decide`."""
        slot = int(evidence.order[1 + self.n % (len(evidence.order) - 1)]) if full else None
        return Decision(slot, evidence.relevance(), None, evidence.redundancy())


@pytest.mark.parametrize(
    ("unbounded", "then", "sizes", "memories"),
    [((), {}, [5], 3), ((), {9: _removed(range(21, 31))}, [4], 2), ((1, 3), {}, [1] * 5, 4)],
    ids=["all alike", "one leaves", "two grow"],
)
def test_slots_that_differ_by_group(unbounded, then, sizes, memories, follow, monkeypatch) -> None:
    together, apart = [], []
    for found, at_once in ((together, 5), (apart, 1)):
        numbers = count()
        monkeypatch.setattr(
            groups.GroupSet,
            "_policy",
            lambda self, options, of=numbers: _Nth(n := next(of), bounded=n not in unbounded),
        )
        found += follow(45, at_once, then, "demo")
    _same(together[0], apart[0])
    assert together[1] == sizes
    last = together[0][-1][2]
    assert len({tuple(held[1]) for held in last}) == memories
    assert min(np.ptp(held[3].relevance) for held in last) > 1e-3  # the trained network tells frames apart


def test_a_saved_cohort_goes_on_as_one(tiny_bundle: Path, tmp_path: Path) -> None:
    frames, options = _frames(12), {"backend": "onnxruntime", "plan": "whole"}
    with Segmenter(tiny_bundle, capacity=4, gap=1, **options) as segmenter:
        segmenter.start(frames[0], _label(45))
        for frame in frames[1:8]:
            segmenter.step(frame)
        segmenter.save(tmp_path / "session")
        wanted = [segmenter.step(frame) for frame in frames[8:]]
    with Segmenter.restore(tiny_bundle, tmp_path / "session", **options) as resumed:
        found = [resumed.step(frame) for frame in frames[8:]]
        assert [len(cohort) for cohort in resumed._groups.cohorts] == [5]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.label, other.label)
        assert [u.frames for u in one.memory] == [u.frames for u in other.memory]


@pytest.mark.parametrize(("objects", "runs"), [(1, 1), (10, 1), (50, 1), (60, 2)])
def test_fifty_objects_run_each_graph_once(objects: int, runs: int, tiny_bundle: Path) -> None:
    counted: Counter[str] = Counter()
    with open_backend(Bundle.load(tiny_bundle), backend="onnxruntime", plan="whole") as backend:
        run = backend.run

        def counting(graph: str, tensors: object) -> None:
            counted[graph] += 1
            run(graph, tensors)

        backend.run = counting
        segmenter, frames = Segmenter(backend.bundle, backend=backend, capacity=4, gap=1), _frames(4)
        segmenter.start(frames[0], _label(objects))
        assert counted["reference"] == runs
        for frame in frames[1:]:
            counted.clear()
            segmenter.step(frame)
            assert counted == {"encode": 1, **dict.fromkeys(PER_GROUP, runs)}
