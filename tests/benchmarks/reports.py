"""Reports made by hand."""

from __future__ import annotations

from ermu.benchmarks.report.report import (
    Figures,
    GemmPeak,
    Machine,
    Percentiles,
    Report,
    Samples,
    Setup,
    StepTimes,
    Work,
)

STAGES = {"encode": 20.0, "propagate": 60.0, "decode": 15.0, "label": 1.0}


def _figures(frame_ms: float, stages: dict[str, float]) -> Figures:
    return Figures(
        description="by hand",
        precision="fp32",
        step_ms=StepTimes(p50=frame_ms, p90=frame_ms, p99=frame_ms, steady=frame_ms, memory=frame_ms),
        cycle_ms=frame_ms,
        fps=1e3 / frame_ms,
        stages_ms={name: Percentiles(p50=ms, p90=ms, p99=ms) for name, ms in stages.items()},
    )


def report(stages: dict[str, float], *, torch_ms: float | None = 480.0, kind: str = "two-cores") -> Report:
    """A frame is the sum of its stages; torch is the one peer, or none."""
    ours = _figures(sum(stages.values()), stages)
    peers = {} if torch_ms is None else {"torch-published": _figures(torch_ms, {})}
    return Report(
        created="2026-11-22T23:00:00+00:00",
        setup=Setup(
            bundle="b",
            network="r50_aotl",
            family="aot",
            checkpoint_sha256="0",
            precision="fp32",
            device="cpu",
            backend="onnxruntime",
            policy="ermu",
            source="scene",
            source_size=(360, 640),
            network_size=(353, 641),
            objects=10,
            groups=1,
            memory=9,
            gap=5,
            frames=200,
            warmup=20,
            threads=2,
        ),
        machine=Machine(
            kind=kind,
            cpu="a",
            cores=2,
            affinity=(0, 1),
            governor=None,
            memory_gb=8,
            system="Linux",
            environment={},
        ),
        versions={},
        **ours.model_dump(exclude={"network"}),
        peers=peers,
        speedup={name: peer.cycle_ms / ours.cycle_ms for name, peer in peers.items()},
        agreement=dict.fromkeys(peers, 0.9995),
        same_evictions=dict.fromkeys(peers, True),
        evictions=40,
        gflop_per_frame=10.0,
        work={"encode": Work(fp32=10)},
        gemm_peak_gflops=GemmPeak(fp32=200, int8=800),
        floor_share={"overall": 0.5, "encode": 0.6},
        peak_rss_mb=512.0,
        samples={"ours": Samples(step_ms=[ours.cycle_ms], memory=[False], stages_ms={})},
    )
