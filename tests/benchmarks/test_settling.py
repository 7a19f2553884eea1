"""Nothing is timed before a frame has read as much as every later one will."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermu.benchmarks.candidates.segmenter import SegmenterCandidate
from ermu.benchmarks.clip import open_clip
from ermu.benchmarks.interleaved_run import InterleavedRun
from ermu.benchmarks.options import BenchOptions, NamedPeer
from ermu.benchmarks.plan import Plan


def held(candidate: SegmenterCandidate) -> tuple[int, int]:
    """Memory frames and pointers of the first object."""
    first = candidate.segmenter._groups._objects[0].bank
    return len(first.memory.frames), len(first.pointers.frames)


@pytest.mark.parametrize("warmup", [0, 1, 12])
def test_a_sam_bundle_has_all_its_pointers(sam2_bundle: Path, warmup: int) -> None:
    """Seven memory frames and 16 pointers, of which the first frame's is one: transformers' defaults."""
    options = BenchOptions(
        str(sam2_bundle), objects=1, frames=2, warmup=warmup, threads=1, size=(96, 128), backend="onnxruntime"
    )
    plan = Plan.of(options)
    ours, peer = plan.ours(), plan.peer(NamedPeer("onnxruntime"))
    try:
        with open_clip(options, plan.frames_needed) as clip:
            run = InterleavedRun(ours, [peer])
            run.fill(clip, plan.memory, plan.warmup)
            for _ in range(plan.warmup):
                run.cycle(clip, plan.gap, timed=False)
            for candidate in (ours, peer):
                assert held(candidate) == (7, 16)
                assert candidate.segmenter.frame == max(16, 6 + warmup)  # the last has read them all
            run.cycle(clip, plan.gap, timed=True)
            assert held(ours) == held(peer) == (7, 16)
            assert run.agreement["onnxruntime"] > 0.999
    finally:
        ours.close()
        peer.close()


def test_a_network_of_groups_is_shown_no_frame_again(tiny_bundle: Path) -> None:
    """Four memory frames and a warm-up: the last of it is found by all four."""
    options = BenchOptions(str(tiny_bundle), objects=2, frames=2, warmup=2, threads=1, size=(49, 65))
    plan = Plan.of(options)
    ours = plan.ours()
    with open_clip(options, plan.frames_needed) as clip:
        ours.fill(clip.take(plan.memory), clip.label, warmup=plan.warmup)
    assert ours.segmenter.frame == 3
    ours.close()
