"""`ermu bench`: how fast the runtime is here, next to other ways of running the same network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.cli.options import BUNDLE_HELP, Against, BackendName, Device, Precision, Threads, listed
from ermu.registries import POLICIES

if TYPE_CHECKING:
    from rich.console import Console


def bench(
    bundle: Annotated[str, typer.Option(help=BUNDLE_HELP)] = "demo",
    source: Annotated[
        str | None, typer.Option(help="As of `ermu run`, also run through the pipeline; default: a scene.")
    ] = None,
    prompt: Annotated[Path | None, typer.Option(help="Label map of the source's first frame.")] = None,
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH of scene and network; default: a scene of 360x640.")
    ] = None,
    objects: Annotated[int, typer.Option(help="Objects in the scene.")] = 10,
    memory: Annotated[int | None, typer.Option(help="Memory frames held; default: the bundle's.")] = None,
    gap: Annotated[int | None, typer.Option(help="Frames between appends; default: the bundle's.")] = None,
    frames: Annotated[int, typer.Option(help="Frames timed, rounded up to whole gap cycles.")] = 200,
    warmup: Annotated[int, typer.Option(help="Frames before them, with the memory full already.")] = 20,
    threads: Threads = None,
    against: Against = "",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Of the bundle, for peers in torch; the demo's is known.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help=f"Eviction policy, which holds the memory frames: {listed(POLICIES.names())}; default: ermu "
            "for AOT's networks, the bundle's own for SAM's."
        ),
    ] = None,
    precision: Precision = None,
    device: Device = "cpu",
    backend: BackendName = "auto",
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also time the pipeline with labels and overlay written.")
    ] = False,
    scale: Annotated[
        list[str] | None,
        typer.Option(help="A table of memory, size, objects, streams or lanes; repeatable."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report with every raw sample.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw every frame and stage as a PNG.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace --json and --plot where they exist.")
    ] = False,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Run nothing: compare two reports, old and new.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="With --compare: slower by more than this share exits with 1.")
    ] = 0.1,
) -> None:
    """Measure ours and peers on the same frames in one run: times, share of the peak, agreement."""
    from ermu.cli.printing import WorkConsole

    console = WorkConsole()
    if compare:
        _compare(*compare, tolerance, console)
        return

    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.benchmarks.bench import run_bench
    from ermu.benchmarks.options import BenchOptions, NamedPeer
    from ermu.benchmarks.report.terminal import print_report, progress_bar
    from ermu.cli.paths import Paths
    from ermu.cli.printing import plain
    from ermu.cli.sizes import parse_size

    paths = Paths(overwrite=overwrite)
    paths.reads_bundle(bundle)
    for what, where in (("the source", source), ("the prompt", prompt), ("the checkpoint", checkpoint)):
        paths.reads(what, where)
    peers = tuple(name.strip() for name in against.split(",") if name.strip())
    for peer in map(NamedPeer.parse, peers):
        paths.reads(f"the weights of {peer.name}", peer.weights)
    paths.writes("the report", json)
    paths.writes("the plot", plot)
    paths.check()
    options = BenchOptions(
        bundle=bundle,
        source=source,
        prompt=prompt,
        size=parse_size(size) if size else None,
        objects=objects,
        memory=memory,
        gap=gap,
        frames=frames,
        warmup=warmup,
        threads=threads,
        against=peers,
        checkpoint=checkpoint,
        policy=policy,
        precision=precision,
        device=device,
        backend=backend,
        overlay=overlay,
        scale=tuple(scale or ()),
    )
    with progress_bar(console) as progress:
        report = run_bench(options, progress)
    print_report(report, console)
    if json:
        report.save(json)
        plain(console, f"report -> {json}")
    if plot:
        from ermu.benchmarks.report.plot import plot_report

        plot_report(report, plot)
        plain(console, f"plot -> {plot}")


def _compare(before: Path, after: Path, tolerance: float, console: Console) -> None:
    from ermu.benchmarks.report.compare import compare_reports, print_comparison
    from ermu.benchmarks.report.report import Report

    comparison = compare_reports(Report.load(before), Report.load(after), tolerance)
    print_comparison(comparison, console)
    if comparison.slower:
        raise typer.Exit(1)
