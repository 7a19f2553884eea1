"""`ermu run`: segments one source or several, each from its first label map on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.option_groups import with_option_groups
from ermu.cli.options import BundleName, SegmenterOptions, SinkOptions
from ermu.registries import SOURCES

if TYPE_CHECKING:
    from ermu.runtime.sinks.base import Sink
    from ermu.runtime.streams.pipeline import Pipeline


@with_option_groups
def run(
    bundle: BundleName,
    source: Annotated[
        list[str],
        typer.Option(
            help="Image folder, glob, video file, camera index, rtsp:// or http:// address, scene:SEED; "
            f"repeatable. Kinds: {', '.join(SOURCES.names())}."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder: OUT/labels/<name>.png, with several streams OUT/<stream>/labels.")
    ],
    prompt: Annotated[
        list[Path] | None,
        typer.Option(
            "--prompt",
            "--prompts",
            help="Label map of the first frame (palette PNG), or a folder of them named after frames, "
            "each with what appears there; one a source; a scene has its own.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Names of the streams, one a source; default: 0, 1, ..."),
    ] = None,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many frames of each stream."),
    ] = None,
    give_up: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds after which a lost stream has ended; default: never."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder with files in.")
    ] = False,
    *,
    sinks: SinkOptions,
    options: SegmenterOptions,
) -> None:
    """Segment a video or live streams: label maps out of frames, following each first label map's objects."""
    from contextlib import ExitStack

    from rich.console import Console

    from ermu.cli.streams import prompts_for, stream_names, stream_table, until_stopped
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.images.labels import read_label_map
    from ermu.runtime.prompts import Prompts
    from ermu.runtime.sinks.base import output_folder
    from ermu.runtime.sources.opening import open_source
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.scheduler import Scheduler
    from ermu.runtime.streams.segmenters import open_segmenters

    console, live = Console(), LiveOptions(give_up_seconds=give_up)
    loaded = Bundle.load(bundle)
    labels = [Prompts(path) if path.is_dir() else read_label_map(path) for path in prompt or []]
    names = stream_names(source, name)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(where)) for where in source]
        labels = prompts_for(sources, labels)
        segmenters = stack.enter_context(open_segmenters(loaded, len(sources), **options.keywords()))
        output_folder(out, overwrite=overwrite)
        pipelines = []
        for stream, opened, segmenter in zip(names, sources, segmenters, strict=True):
            part = stream if len(sources) > 1 else None
            taking = _sinks(sinks.wanted(), out, opened.fps, part)
            pipelines.append(Pipeline(segmenter, opened, taking, name=stream, live=live))
        for pipeline, label in zip(pipelines, labels, strict=True):
            pipeline.begin(label, max_frames=max_frames)
        with _progress(console, pipelines, max_frames) as advance:
            until_stopped(Scheduler(pipelines), on_turn=advance)
    if len(pipelines) > 1:
        console.print(stream_table(pipelines))
    for pipeline in pipelines:
        _report(console, pipeline, out)


def _sinks(wanted: list[str], out: Path, fps: float, part: str | None) -> list[Sink]:
    """A stream's sinks, label maps first; `part` is its name where there are several."""
    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.sinks.opening import open_sink

    labels = (out / part if part else out) / "labels"
    context = SinkContext(fps, part)
    return [
        open_sink(f"labels={labels}", SinkContext(fps)),
        *(open_sink(what, context) for what in wanted),
    ]


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

    from ermu.cli.printing import plain

    summary = pipeline.summary()
    plain(
        console,
        f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.2f} FPS), "
        f"a frame p50 {summary.percentile(50):.0f} ms, p99 {summary.percentile(99):.0f} ms -> {out}"
        + (f"; {pipeline.source.description} went away and did not come back" if summary.lost else ""),
    )
    for feeder in pipeline.feeders:
        if feeder.error is not None:
            problem = f"[yellow]sink {escape(feeder.sink.name)} stopped:[/] {escape(feeder.error.problem)}"
            console.print(problem, highlight=False, soft_wrap=True)
