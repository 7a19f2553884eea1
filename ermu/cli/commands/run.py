"""`ermu run`: segments one source or several, each from its first label map on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.options import Capacity, Gap, GapSeconds, LongEdge

if TYPE_CHECKING:
    from ermu.runtime.sinks.base import Sink
    from ermu.runtime.sources.base import Source
    from ermu.runtime.streams.pipeline import Pipeline


def run(
    bundle: Annotated[str, typer.Option(help="A bundle folder.")],
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
    policy: Annotated[str, typer.Option(help="Eviction policy: ermu, rmem, fifo or none.")] = "ermu",
    capacity: Capacity = None,
    gap: Gap = None,
    gap_seconds: GapSeconds = None,
    long_edge: LongEdge = None,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many frames of each stream."),
    ] = None,
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
    precision: Annotated[
        str, typer.Option(help="fp32; bf16 (CPU); or one that `ermu build` has added: fp16, int8.")
    ] = "fp32",
    device: Annotated[str, typer.Option(help="Where to run: cpu, or cuda.")] = "cpu",
    engine: Annotated[
        str,
        typer.Option(
            help="onnxruntime; on cpu also openvino; on cuda also tensorrt, tensorrt-rtx, after `ermu build`."
        ),
    ] = "onnxruntime",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads; default: all cores."),
    ] = None,
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
    from ermu.runtime.sinks.base import claim_folder
    from ermu.runtime.sources.opening import open_source
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.scheduler import Scheduler
    from ermu.runtime.streams.segmenters import shared_segmenters

    console = Console()
    loaded = Bundle.load(bundle)
    labels = [read_label_map(path) for path in prompt or []]
    names = stream_names(source, name)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(where)) for where in source]
        labels = prompts_for(sources, labels)
        options: dict[str, Any] = {"policy": policy, "capacity": capacity, "gap": gap}
        options |= {"gap_seconds": gap_seconds, "long_edge": long_edge, "precision": precision}
        options |= {"device": device, "engine": engine, "threads": threads}
        segmenters = shared_segmenters(loaded, len(sources), **options)
        claim_folder(out, overwrite=overwrite)
        pipelines = []
        for stream, opened, segmenter in zip(names, sources, segmenters, strict=True):
            part = stream if len(sources) > 1 else None
            sinks = _sinks(opened, out, part, overlay=overlay, trace=trace, objects=objects, window=window)
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


def _sinks(
    source: Source,
    out: Path,
    part: str | None,
    *,
    overlay: Path | None,
    trace: Path | None,
    objects: Path | None,
    window: bool,
) -> list[Sink]:
    """A stream's sinks; `part` is its name where there are several."""
    from ermu.runtime.sinks.kinds.labels import LabelSink
    from ermu.runtime.sinks.kinds.objects import ObjectSink
    from ermu.runtime.sinks.kinds.overlay import OverlaySink
    from ermu.runtime.sinks.kinds.trace import TraceSink
    from ermu.runtime.sinks.kinds.window import WindowSink

    def own(path: Path) -> Path:
        return path.with_stem(f"{path.stem}-{part}") if part else path

    sinks: list[Sink] = [LabelSink((out / part if part else out) / "labels")]
    if overlay:
        sinks.append(OverlaySink(own(overlay), source.fps))
    if trace:
        sinks.append(TraceSink(own(trace)))
    if objects:
        sinks.append(ObjectSink(own(objects)))
    if window:
        sinks.append(WindowSink(f"ermu {part or ''}".strip()))
    return sinks


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
    summary = pipeline.summary()
    console.print(
        f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.2f} FPS), "
        f"a frame p50 {summary.percentile(50):.0f} ms, p99 {summary.percentile(99):.0f} ms -> {out}"
        + (f"; {pipeline.source.description} went away and did not come back" if summary.lost else ""),
        highlight=False,
        soft_wrap=True,
    )
    for feeder in pipeline.feeders:
        if feeder.error is not None:
            problem = f"[yellow]sink {feeder.sink.name} stopped:[/] {feeder.error.problem}"
            console.print(problem, highlight=False, soft_wrap=True)
