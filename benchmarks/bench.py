"""Runs a benchmark: ours and the peers in turns, a gap cycle each, on the same frames in one process."""

from __future__ import annotations

from datetime import datetime, timezone

from ermu.benchmarks.clip import Clip, open_clip
from ermu.benchmarks.interleaved_run import Progress, run_interleaved
from ermu.benchmarks.measures.flops import count_frame
from ermu.benchmarks.measures.machine import describe_machine, versions
from ermu.benchmarks.measures.peak import measure_peak
from ermu.benchmarks.measures.resident import measure_resident_mb
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.plan import Plan, check_peers, check_serving
from ermu.benchmarks.report.doubts import spread
from ermu.benchmarks.report.report import Figures, GemmPeak, Report, Setup, Work
from ermu.benchmarks.scaling.tables import check_axes, measure_scaling
from ermu.benchmarks.sustained import measure_sustained
from ermu.runtime.bundle.bundle import BF16
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.timing.other_work import OtherWork


def run_bench(options: BenchOptions, progress: Progress = lambda what, done, total: None) -> Report:
    """Measures one setup.

    Args:
        options: What to run.
        progress: Called with what is going on, gap cycles done and their number.

    Raises:
        OptionError: the options cannot be measured, or a peer does not serve the bundle.
        BenchmarkError: the source is too short, or a peer lacks its weights.
        ErmuError: as `Segmenter`, sources and peers.
    """
    check_peers(options)
    check_axes(options)
    plan = Plan.of(options)
    check_serving(plan)
    progress("resident memory", 0, 1)
    resident = measure_resident_mb(options)
    progress("GEMM peak", 0, 1)
    peak = measure_peak(plan.threads, bf16=plan.precision == BF16)
    with open_clip(options, plan.frames_needed) as clip:
        others = OtherWork()
        run = run_interleaved(plan, clip, progress)
        others_cores = others.cores()
        setup = _describe(plan, clip)
    sustained = None
    if options.source is not None or options.overlay:
        progress("pipeline", 0, 1)
        sustained = measure_sustained(plan, sinks=options.overlay)
    scaling = {axis: measure_scaling(axis, options, progress) for axis in options.scale}
    symbols = {**Grids(*setup.network_size, plan.bundle.manifest.network.grid).symbols(), "T": plan.memory}
    work = count_frame(plan.bundle.at_precision(plan.precision), symbols, setup.objects)
    ours = run.ours.figures()
    peers = {peer.name: peer.figures() for peer in run.peers}
    return Report(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        setup=setup,
        machine=describe_machine(),
        versions=versions(),
        **ours.model_dump(exclude={"network"}),
        peers=peers,
        speedup={name: figures.cycle_ms / ours.cycle_ms for name, figures in peers.items()},
        agreement=run.agreement,
        accuracy=run.accuracy,
        same_evictions={
            peer.name: peer.evicted == run.ours.evicted for peer in run.peers if peer.network is None
        },
        evictions=len(run.ours.evicted),
        launches=run.ours.launches,
        gflop_per_frame=sum(part.total for part in work.values()),
        work=work,
        gemm_peak_gflops=peak,
        floor_share=floor_shares(work, peak, ours),
        peak_rss_mb=resident,
        sustained=sustained,
        scaling=scaling,
        samples={candidate.name: candidate.samples() for candidate in (run.ours, *run.peers)},
        others_cores=others_cores,
        spread=spread(run.ours.samples().step_ms, plan.gap),
    )


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
        backend=plan.backend,
        policy=plan.policy,
        source=clip.description,
        source_size=clip.hw,
        network_size=plan.network_hw(clip.hw),
        objects=clip.objects,
        groups=-(-clip.objects // GROUP_SIZE),
        memory=plan.memory,
        gap=plan.gap,
        frames=plan.frames,
        warmup=plan.warmup,
        threads=plan.threads,
    )
