"""`ermu run`: segments one source or several, each from its first label map on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.options import (
    BackendName,
    BundleName,
    Capacity,
    Device,
    Gap,
    GapSeconds,
    KernelsName,
    LongEdge,
    PlanName,
    Policy,
    Precision,
    SinkList,
    Threads,
)

if TYPE_CHECKING:
    from ermu.runtime.streams.pipeline import Pipeline


def run(
    bundle: BundleName,
    source: Annotated[
        list[str],
        typer.Option(
            help="Image folder, glob, video file, camera index, rtsp:// or http:// address, scene:SEED. "
            "Repeat it for several streams."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder: OUT/labels/<name>.png, with several streams OUT/<stream>/labels.")
    ],
    prompt: Annotated[
        list[Path] | None,
        typer.Option(help="Label map of the first frame (palette PNG), one a source; a scene has its own."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Names of the streams, one a source; default: 0, 1, ..."),
    ] = None,
    policy: Policy = "ermu",
    capacity: Capacity = None,
    gap: Gap = None,
    gap_seconds: GapSeconds = None,
    long_edge: LongEdge = None,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many frames of each stream."),
    ] = None,
    sink: SinkList = None,
    overlay: Annotated[
        Path | None,
        typer.Option(help="Write a video with the objects drawn in; several streams add their names."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(help="Write one JSON object a frame: memory, evictions, scores, times."),
    ] = None,
    objects: Annotated[
        Path | None,
        typer.Option(help="Write one JSON object a frame: ids, states, boxes, areas, COCO run lengths."),
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Show the overlay in a window.")] = False,
    give_up: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds after which a lost stream has ended; default: never."),
    ] = None,
    precision: Precision = None,
    backend: BackendName = "onnxruntime",
    device: Device = "cpu",
    threads: Threads = None,
    kernels: KernelsName = None,
    plan: PlanName = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder with files in.")
    ] = False,
) -> None:
    """Segment a video or live streams: label maps out of frames, following each first label map's objects."""
    from contextlib import ExitStack

    from rich.console import Console

    from ermu.cli.streams import prompts_for, stream_names, stream_table, until_stopped
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.images.labels import read_label_map
    from ermu.runtime.sinks.base import SinkContext, output_folder
    from ermu.runtime.sinks.opening import open_sink
    from ermu.runtime.sources.opening import open_source
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.scheduler import Scheduler
    from ermu.runtime.streams.segmenters import open_segmenters

    console = Console()
    loaded = Bundle.load(bundle)
    labels = [read_label_map(path) for path in prompt or []]
    names = stream_names(source, name)
    files = {"overlay": overlay, "trace": trace, "objects": objects}
    wanted = [f"{kind}={path}" for kind, path in files.items() if path]
    wanted = [*wanted, *(["window"] if window else []), *(sink or [])]
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(where)) for where in source]
        labels = prompts_for(sources, labels)
        segmenters = stack.enter_context(
            open_segmenters(
                loaded,
                len(sources),
                policy=policy,
                capacity=capacity,
                gap=gap,
                gap_seconds=gap_seconds,
                long_edge=long_edge,
                precision=precision,
                backend=backend,
                device=device,
                threads=threads,
                kernels=kernels,
                plan=plan,
            )
        )
        output_folder(out, overwrite=overwrite)
        pipelines = []
        for stream, opened, segmenter in zip(names, sources, segmenters, strict=True):
            several = len(sources) > 1
            context = SinkContext(opened.fps, stream if several else None)
            into = f"labels={(out / stream if several else out) / 'labels'}"
            sinks = [open_sink(into, SinkContext(opened.fps)), *(open_sink(w, context) for w in wanted)]
            live = LiveOptions(give_up_seconds=give_up)
            pipelines.append(Pipeline(segmenter, opened, sinks, name=stream, live=live))
        for pipeline, label in zip(pipelines, labels, strict=True):
            pipeline.begin(label, max_frames=max_frames)
        with _progress(console, pipelines, max_frames) as advance:
            until_stopped(Scheduler(pipelines), on_turn=advance)
    if len(pipelines) > 1:
        console.print(stream_table(pipelines))
    for pipeline in pipelines:
        _report(console, pipeline, out)


def _progress(console: Any, pipelines: list[Pipeline], max_frames: int | None) -> Any:
    """A bar for one stream, a table for several; its value is called after every round."""
    from contextlib import contextmanager

    from rich.live import Live
    from rich.progress import Progress

    from ermu.cli.streams import stream_table

    @contextmanager
    def bar() -> Any:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("segment", total=max_frames or pipelines[0].source.total_frames)
            yield lambda: progress.update(task, completed=pipelines[0].frames)

    @contextmanager
    def table() -> Any:
        with Live(console=console, transient=True, get_renderable=lambda: stream_table(pipelines)):
            yield lambda: None

    return table() if len(pipelines) > 1 else bar()


def _report(console: Any, pipeline: Pipeline, out: Path) -> None:
    from rich.markup import escape

    summary = pipeline.summary()
    line = (
        f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.2f} FPS), "
        f"a frame p50 {summary.percentile(50):.0f} ms, p99 {summary.percentile(99):.0f} ms -> {out}"
        + (f"; {pipeline.source.description} went away and did not come back" if summary.lost else "")
    )
    console.print(escape(line), highlight=False, soft_wrap=True)
    for feeder in pipeline.feeders:
        if feeder.error is not None:
            problem = f"[yellow]sink {escape(feeder.sink.name)} stopped:[/] {escape(feeder.error.problem)}"
            console.print(problem, highlight=False, soft_wrap=True)
