"""A segmenter that was saved and restored goes on as one that never stopped, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import StateError
from ermu.runtime.backends.base import Backend
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.session import Session
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

Segmenters = Callable[..., Segmenter]
CLIP = list(Scene(SceneConfig(seed=11, size_hw=(96, 128), frames=24, objects=4)))
CPU = [("whole", "fp32"), ("external_attention", "fp32"), ("external_attention", "int8")]


def only(label: np.ndarray, *ids: int) -> np.ndarray:
    return np.where(np.isin(label, ids), label, 0).astype(np.uint8)


def assert_alike(one: Segmenter, other: Segmenter, frames: range) -> None:
    """Both go on: results, logits, banks and what policies decide agree to the bit."""
    assert (one.ids, one.frame, one.policy, one.gap) == (other.ids, other.frame, other.policy, other.gap)
    for t in frames:
        left, right = one.step(CLIP[t][0], time=t / 10), other.step(CLIP[t][0], time=t / 10)
        assert (left.frame, left.objects) == (right.frame, right.objects)
        assert np.array_equal(left.label, right.label)
        assert np.array_equal(one.logits(), other.logits())
        for a, b in zip(left.memory, right.memory, strict=True):
            assert (a.group, a.ids, a.frames, a.evicted) == (b.group, b.ids, b.frames, b.evicted)
            for name in ("relevance", "relevance_mean", "redundancy", "scores"):
                assert np.array_equal(getattr(a.decision, name), getattr(b.decision, name))


def lived(segmenter: Segmenter, until: int) -> None:
    """A life of two groups: objects come, one goes, one is corrected."""
    segmenter.start(CLIP[0][0], only(CLIP[0][1], 1, 2), time=0.0)
    for t in range(1, until + 1):
        segmenter.step(CLIP[t][0], time=t / 10)
        if t == 3:
            segmenter.add_objects(only(CLIP[3][1], 3, 4), time=0.3)
        if t == 6:
            segmenter.refine(2, CLIP[6][1] == 2, time=0.6)
        if t == 8:
            segmenter.remove_objects([3])


@pytest.mark.parametrize("policy", ["ermu", "rmem", "fifo", "spread", "none"])
@pytest.mark.parametrize(("plan", "attention"), CPU)
def test_it_goes_on_as_if_it_had_never_stopped(
    tiny_bundle: Path, tmp_path: Path, plan: str, attention: str, policy: str
) -> None:
    unbroken = Segmenter(tiny_bundle, plan=plan, threads=1, policy=policy, gap=1, capacity=4)
    unbroken.backend.attention_precision = attention  # the kernels' own, of the same graphs
    lived(unbroken, 13)
    unbroken.save(tmp_path / "s.ermu")
    resumed = Segmenter(tiny_bundle, backend=unbroken.backend, policy="fifo")
    resumed.resume(Session.read(tmp_path / "s.ermu"))
    assert_alike(unbroken, resumed, range(14, 24))


def test_another_process_would_do_the_same(tiny_bundle: Path, tmp_path: Path) -> None:
    """Nothing is shared: a backend of its own, opened by `restore`."""
    with Segmenter(tiny_bundle, threads=1, gap_seconds=0.25, capacity=3, identities="published") as unbroken:
        lived(unbroken, 9)
        unbroken.save(tmp_path / "s.ermu")
        with Segmenter.restore(tiny_bundle, tmp_path / "s.ermu", threads=1) as resumed:
            assert (resumed.gap_seconds, resumed.capacity) == (0.25, 3)
            assert_alike(unbroken, resumed, range(10, 18))


def test_saving_changes_nothing_and_the_copy_stays_as_it_was(
    tiny_segmenter: Segmenters, tmp_path: Path
) -> None:
    saved, never = tiny_segmenter(gap=1), tiny_segmenter(gap=1)
    for each in (saved, never):
        lived(each, 9)
    session = saved.session()
    session.write(tmp_path / "then.ermu")
    assert_alike(saved, never, range(10, 16))
    session.write(tmp_path / "now.ermu")
    assert (tmp_path / "then.ermu").read_bytes() == (tmp_path / "now.ermu").read_bytes()


@pytest.mark.parametrize("edit", ["add", "refine", "remove", "policy", "gap"])
def test_edits_right_after_it_are_the_same(tiny_segmenter: Segmenters, tmp_path: Path, edit: str) -> None:
    """Before any frame comes: what an addition or a correction needs of the latest frame is there."""
    edits: dict[str, Callable[[Segmenter], object]] = {
        "add": lambda s: s.add_objects(only(CLIP[9][1], 3)),
        "refine": lambda s: s.refine(1, CLIP[9][1] == 1),
        "remove": lambda s: s.remove_objects([1]),
        "policy": lambda s: s.switch_policy("rmem"),
        "gap": lambda s: setattr(s, "gap", 3),
    }
    unbroken, resumed = tiny_segmenter(gap=1), tiny_segmenter(gap=1)
    lived(unbroken, 9)
    unbroken.save(tmp_path / "s.ermu")
    resumed.resume(Session.read(tmp_path / "s.ermu"))
    for each in (unbroken, resumed):
        edits[edit](each)
    assert np.array_equal(unbroken.logits(), resumed.logits())
    assert_alike(unbroken, resumed, range(10, 16))


def test_additions_on_one_frame_join_across_it(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    """What is added on one frame is one group, also where it was saved between two additions."""
    unbroken, resumed = tiny_segmenter(), tiny_segmenter()
    unbroken.start(*CLIP[0][:1])
    unbroken.add_objects(only(CLIP[0][1], 1))
    unbroken.save(tmp_path / "s.ermu")
    resumed.resume(Session.read(tmp_path / "s.ermu"))
    for each in (unbroken, resumed):
        each.add_objects(only(CLIP[0][1], 2))
        assert [update.ids for update in each.memory] == [[1, 2]]
    assert_alike(unbroken, resumed, range(1, 6))


def test_a_bank_without_bounds_is_as_long_as_it_was(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    unbroken, resumed = (tiny_segmenter(policy="none", gap=1, capacity=2) for _ in range(2))
    lived(unbroken, 12)
    unbroken.save(tmp_path / "s.ermu")
    resumed.resume(Session.read(tmp_path / "s.ermu"))
    assert len(resumed.memory[1].frames) == 10
    assert_alike(unbroken, resumed, range(13, 18))


@pytest.mark.parametrize(("plan", "attention"), CPU)
def test_the_other_plan_goes_on_within_rounding(
    tiny_bundle: Path, tmp_path: Path, plan: str, attention: str
) -> None:
    with Segmenter(tiny_bundle, plan=plan, threads=1, gap=2) as unbroken:
        unbroken.backend.attention_precision = attention
        lived(unbroken, 9)
        unbroken.save(tmp_path / "s.ermu")
        other = "whole" if plan == "external_attention" else "external_attention"
        with Segmenter.restore(tiny_bundle, tmp_path / "s.ermu", plan=other, threads=1) as resumed:
            for t in range(10, 14):
                left, right = unbroken.step(CLIP[t][0]), resumed.step(CLIP[t][0])
                tolerance = 5e-2 if attention == "int8" else 1e-4
                scale = np.abs(unbroken.logits()).max()
                assert np.abs(unbroken.logits() - resumed.logits()).max() <= tolerance * scale
                assert np.mean(left.label != right.label) <= (0.02 if attention == "int8" else 1e-3)
                if attention == "fp32":
                    assert left.memory[0].frames == right.memory[0].frames


def test_nothing_to_save_and_a_policy_that_cannot_be(tiny_backend: Backend, tiny_bundle: Path) -> None:
    segmenter = Segmenter(tiny_bundle, backend=tiny_backend)
    with pytest.raises(StateError, match="No frame has been segmented yet"):
        segmenter.session()
    segmenter.start(*CLIP[0])
    next(iter(segmenter._groups or ())).policy.extra = 3  # type: ignore[attr-defined]
    assert segmenter.session()  # a policy that says its state decides what belongs to it
    segmenter.switch_policy("fifo")
    next(iter(segmenter._groups or ())).policy.extra = 3  # type: ignore[attr-defined]
    with pytest.raises(StateError, match="cannot be saved: it keeps extra"):
        segmenter.session()
