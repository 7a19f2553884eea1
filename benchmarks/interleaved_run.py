"""Candidates in turns, a gap cycle each on the same frames, so that a busy machine slows all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import sleep

import numpy as np

from ermu.benchmarks.candidates.candidate import Candidate
from ermu.benchmarks.clip import Clip, Shown
from ermu.benchmarks.plan import Plan

Progress = Callable[[str, int, int], None]  # what is going on, steps done and their number
_SETTLE_SECONDS = 0.05  # for thread pools that spin after their work, so that nobody pays for another's


class InterleavedRun:
    """Candidates that take turns over a clip.

    Attributes:
        ours: The first.
        peers: The others.
        agreement: Share of equal pixels with each peer that runs the same network, over every frame after the
            first.
        accuracy: Mean J of each candidate with trained weights over the objects of these frames; empty where
            nobody knows them.
    """

    def __init__(self, ours: Candidate, peers: Sequence[Candidate]) -> None:
        self.ours, self.peers = ours, list(peers)
        self._alike = [peer for peer in peers if peer.network is None]
        self._shares: dict[str, list[float]] = {peer.name: [] for peer in self._alike}
        self._weights: list[int] = []
        self._similarities: dict[str, list[float]] = {
            each.name: [] for each in (ours, *peers) if each.trained
        }

    @property
    def accuracy(self) -> dict[str, float]:
        return {name: float(np.mean(found)) for name, found in self._similarities.items() if found}

    @property
    def agreement(self) -> dict[str, float]:
        return {name: _weighted(shares, self._weights) for name, shares in self._shares.items()}

    def fill(self, clip: Clip, memory: int, warmup: int) -> None:
        """Fills every memory with the first T frames, before so many that warm up."""
        shown = clip.take_shown(memory)
        for candidate in (self.ours, *self.peers):
            candidate.fill([image for image, _ in shown], clip.label, warmup=warmup)
        self._compare(shown[1:])

    def cycle(self, clip: Clip, gap: int, *, timed: bool) -> None:
        """One gap cycle, each candidate in turn."""
        shown = clip.take_shown(gap)
        for candidate in (self.ours, *self.peers):
            sleep(_SETTLE_SECONDS)
            candidate.run([image for image, _ in shown], timed=timed)
        self._compare(shown)

    def _compare(self, shown: Sequence[Shown]) -> None:
        truths = [label for _, label in shown if label is not None]
        for candidate in (self.ours, *self.peers) if truths else ():
            if candidate.trained:
                self._similarities[candidate.name] += candidate.similarities(truths)
        if self.ours.labels:
            self._weights.append(len(self.ours.labels))
            for peer in self._alike:
                self._shares[peer.name].append(self.ours.agreement(peer))


def run_interleaved(plan: Plan, clip: Clip, progress: Progress) -> InterleavedRun:
    """Fills, warms up and times; candidates are closed afterwards, their figures stay."""
    with ExitStack() as stack:
        candidates: list[Candidate] = []
        for peer in (None, *plan.options.peers):
            candidates.append(plan.ours() if peer is None else plan.peer(peer))
            stack.callback(candidates[-1].close)
        run = InterleavedRun(candidates[0], candidates[1:])
        progress("filling the memory", 0, 1)
        run.fill(clip, plan.memory, plan.warmup)
        cold, warm = plan.warmup // plan.gap, plan.frames // plan.gap
        for cycle in range(cold + warm):
            progress("timing" if cycle >= cold else "warming up", cycle, cold + warm)
            run.cycle(clip, plan.gap, timed=cycle >= cold)
    return run


def _weighted(values: Sequence[float], weights: Sequence[int]) -> float:
    return float(np.average(values, weights=weights)) if weights else 1.0
