"""Runs a benchmark: ours and the peers in turns, a gap cycle each, on the same frames in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from time import sleep

import numpy as np

from ermu.runtime.sizes import Grids

from .clip import Clip, open_clip
from .contender import Contender
from .flops import count_frame
from .machine import describe_machine, installed_versions
from .options import BenchOptions
from .peak import measure_peak
from .peers import check_peers
from .plan import Plan
from .report import Figures, GemmPeak, Report, Setup, Work
from .resident import measure_resident_mb

Progress = Callable[[str, int, int], None]
_SETTLE_SECONDS = 0.05  # for thread pools that spin after their work, so that nobody pays for another's


def run_bench(options: BenchOptions, progress: Progress = lambda what, done, total: None) -> Report:
    """Measures one setup.

    Args:
        options: What to run.
        progress: Called with what is going on, gap cycles done and their number.

    Raises:
        BenchmarkError: the options cannot be measured.
        ErmuError: as `Segmenter`, sources and peers.
    """
    check_peers(options.against)
    plan = Plan.of(options)
    progress("resident memory", 0, 1)
    resident = measure_resident_mb(options)
    progress("GEMM peak", 0, 1)
    peak = measure_peak(plan.threads)
    with open_clip(options, plan.frames_needed) as clip:
        race = race_contenders(plan, clip, progress)
        setup = _describe(plan, clip)
    groups = -(-setup.objects // plan.bundle.manifest.object_capacity)
    symbols = {**Grids(*setup.network_size).symbols(), "T": plan.memory}
    work = count_frame(plan.bundle.at_precision(plan.precision), symbols, groups)
    ours = race.ours.figures()
    peers = {peer.name: peer.figures() for peer in race.peers}
    return Report(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        setup=setup,
        machine=describe_machine(),
        versions=installed_versions(),
        **ours.model_dump(),
        peers=peers,
        speedup={name: figures.cycle_ms / ours.cycle_ms for name, figures in peers.items()},
        agreement=race.agreement,
        same_evictions={peer.name: peer.evicted == race.ours.evicted for peer in race.peers},
        evictions=len(race.ours.evicted),
        gflop_per_frame=sum(part.total for part in work.values()),
        work=work,
        gemm_peak_gflops=peak,
        floor_share=floor_shares(work, peak, ours),
        peak_rss_mb=resident,
        samples={contender.name: contender.samples() for contender in (race.ours, *race.peers)},
    )


class Race:
    """Contenders that take turns over a clip.

    Attributes:
        ours: The first.
        peers: The others.
        agreement: Share of equal pixels with each peer over every frame after the first.
    """

    def __init__(self, ours: Contender, peers: Sequence[Contender]) -> None:
        self.ours, self.peers = ours, list(peers)
        self._shares: dict[str, list[float]] = {peer.name: [] for peer in peers}
        self._weights: list[int] = []

    @property
    def agreement(self) -> dict[str, float]:
        return {name: _weighted(shares, self._weights) for name, shares in self._shares.items()}

    def fill(self, clip: Clip, memory: int) -> None:
        """Fills every memory with the first T frames."""
        images = clip.take(memory)
        for contender in (self.ours, *self.peers):
            contender.fill(images, clip.label)
        self._compare()

    def cycle(self, clip: Clip, gap: int, *, timed: bool) -> None:
        """One gap cycle, each contender in turn."""
        images = clip.take(gap)
        for contender in (self.ours, *self.peers):
            sleep(_SETTLE_SECONDS)
            contender.run(images, timed=timed)
        self._compare()

    def _compare(self) -> None:
        if self.ours.labels:
            self._weights.append(len(self.ours.labels))
            for peer in self.peers:
                self._shares[peer.name].append(self.ours.agreement(peer))


def race_contenders(plan: Plan, clip: Clip, progress: Progress) -> Race:
    """Fills, warms up and times; contenders are closed afterwards, their figures stay."""
    with ExitStack() as stack:
        contenders = []
        for name in (None, *plan.options.against):
            contenders.append(plan.ours() if name is None else plan.peer(name))
            stack.callback(contenders[-1].segmenter.close)
        race = Race(contenders[0], contenders[1:])
        progress("filling the memory", 0, 1)
        race.fill(clip, plan.memory)
        cold, warm = plan.warmup // plan.gap, plan.frames // plan.gap
        for cycle in range(cold + warm):
            progress("timing" if cycle >= cold else "warming up", cycle, cold + warm)
            race.cycle(clip, plan.gap, timed=cycle >= cold)
    return race


def floor_shares(work: dict[str, Work], peak: GemmPeak, figures: Figures) -> dict[str, float]:
    """Time at the GEMM peak over measured time: by stage, and over a whole gap cycle as `overall`."""
    stages = {
        stage: part.floor_ms(peak) / figures.stages_ms[stage].p50
        for stage, part in work.items()
        if stage in figures.stages_ms
    }
    return {"overall": sum(part.floor_ms(peak) for part in work.values()) / figures.cycle_ms, **stages}


def _describe(plan: Plan, clip: Clip) -> Setup:
    manifest, options = plan.bundle.manifest, plan.options
    return Setup(
        bundle=str(plan.bundle.path),
        network=manifest.network.name,
        family=manifest.network.family,
        checkpoint_sha256=manifest.provenance.checkpoint_sha256,
        precision=plan.precision,
        device=options.device,
        engine=options.engine,
        policy=options.policy,
        source=clip.description,
        source_size=clip.hw,
        network_size=plan.network_hw(clip.hw),
        objects=clip.objects,
        groups=-(-clip.objects // manifest.object_capacity),
        memory=plan.memory,
        gap=plan.gap,
        frames=plan.frames,
        warmup=plan.warmup,
        threads=plan.threads,
    )


def _weighted(values: Sequence[float], weights: Sequence[int]) -> float:
    return float(np.average(values, weights=weights)) if weights else 1.0
