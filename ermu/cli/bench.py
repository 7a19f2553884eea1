"""`ermu bench`: how fast the runtime is here, next to other ways of running the same network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    bundle: Annotated[str, typer.Option(help="A bundle folder, or demo.")] = "demo",
    source: Annotated[str | None, typer.Option(help="As of `ermu run`; default: a procedural scene.")] = None,
    prompt: Annotated[Path | None, typer.Option(help="Label map of the source's first frame.")] = None,
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH of the scene; default: 360x640.")] = None,
    objects: Annotated[int, typer.Option(help="Objects in the scene.")] = 10,
    memory: Annotated[int | None, typer.Option(help="Memory frames held; default: the bundle's.")] = None,
    gap: Annotated[int | None, typer.Option(help="Frames between appends; default: the bundle's.")] = None,
    frames: Annotated[int, typer.Option(help="Frames timed.")] = 200,
    warmup: Annotated[int, typer.Option(help="Frames before them, memory full.")] = 20,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all usable cores.")] = None,
    against: Annotated[
        str, typer.Option(help="Peers: torch-eager,torch-compile,onnxruntime-plain,openvino.")
    ] = "",
    checkpoint: Annotated[Path | None, typer.Option(help="Of the bundle, for peers in torch.")] = None,
    precision: Annotated[str | None, typer.Option(help="Of ours; default: the bundle's.")] = None,
    device: Annotated[str, typer.Option(help="Of ours: cpu, or cuda.")] = "cpu",
    engine: Annotated[str, typer.Option(help="Of ours, as of `ermu run`.")] = "onnxruntime",
    json: Annotated[Path | None, typer.Option(help="Write the report with every raw sample.")] = None,
) -> None:
    """Measure ours and peers on the same frames in one run: times, share of the peak, agreement."""
    from rich.console import Console

    from ermu.benchmarks.bench import run_bench
    from ermu.benchmarks.options import BenchOptions, parse_size
    from ermu.benchmarks.terminal import print_report, progress_bar

    console = Console()
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
        against=tuple(name.strip() for name in against.split(",") if name.strip()),
        checkpoint=checkpoint,
        precision=precision,
        device=device,
        engine=engine,
    )
    with progress_bar(console) as progress:
        report = run_bench(options, progress)
    print_report(report, console)
    if json:
        report.save(json)
        console.print(f"report -> {json}", highlight=False)
