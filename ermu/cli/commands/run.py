"""`ermu run`: segments one source or several, each from its first label map on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.bundles import BundleOptions, open_lanes
from ermu.cli.inputs.prompter_options import PrompterOptions
from ermu.cli.inputs.session_options import SessionOptions, as_saved
from ermu.cli.inputs.source_options import SourceOptions
from ermu.cli.option_groups import with_option_groups
from ermu.cli.options import LaneCount, PromptOptions, RecordOptions, SegmenterOptions, SinkOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ermu.runtime.config.stream_choice import StreamChoice
    from ermu.runtime.sinks.base import Sink, SinkContext
    from ermu.runtime.streams.pipeline import Pipeline


@with_option_groups
def run(
    which: BundleOptions,
    streams: SourceOptions,
    prompts: PromptOptions,
    prompter: PrompterOptions,
    sessions: SessionOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder: OUT/labels/<name>.png, with several streams OUT/<stream>/labels; "
            "default: one in runs/ named after the time."
        ),
    ] = None,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many frames of each stream."),
    ] = None,
    give_up: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds after which a lost stream has ended; default: never."),
    ] = None,
    lanes: LaneCount = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse damaged frames, files that end early, a lost device.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an earlier run's results, and files that exist."),
    ] = False,
    *,
    sinks: SinkOptions,
    records: RecordOptions,
    options: SegmenterOptions,
) -> None:
    """Segment a video or live streams: label maps out of frames, following each first label map's objects."""
    from contextlib import ExitStack
    from dataclasses import replace

    from ermu.cli.live_page import can_serve, open_page, page_views
    from ermu.cli.printing import WorkConsole, plain
    from ermu.cli.signals import StopSignals
    from ermu.cli.sinks import sink_contexts
    from ermu.cli.streams import fit_gaps, stream_table
    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.cli.prompts import prompts_for, read_prompts
    from ermu.runtime.files import shown
    from ermu.runtime.images.label_folder import remove_own
    from ermu.runtime.sources.opening import is_live
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.work.recovery import Recovery

    console, out = WorkConsole(), out or _new_folder()
    chosen = streams.chosen()
    streams.warn_of_the_rest()
    sessions.check(prompts, len(chosen))
    names, lives = [choice.name for choice in chosen], [is_live(choice.where) for choice in chosen]
    contexts = sink_contexts(names, lives, records, overwrite=overwrite)
    wanted = sinks.wanted()
    reading = which, prompter, streams
    folders = _check_paths(reading, chosen, prompts, sessions, out, wanted, contexts, overwrite)
    recovery = Recovery()
    with ExitStack() as stack:
        resumed, loaded = sessions.read(), which.load(console, options)
        asked = stack.enter_context(prompter.opening(loaded, options, recovery)).of(prompter.prompter)
        given, options = read_prompts(prompts, len(chosen), asked), as_saved(options, resumed)
        sources = [stack.enter_context(choice.opened()) for choice in chosen]
        page = prompts.page or (console.is_terminal and can_serve())
        labels = [None] * len(sources) if resumed else prompts_for(sources, given, page=page)
        page = prompts.page or (not resumed and any(label is None for label in labels))
        live = LiveOptions(give_up_seconds=give_up, wait_for_objects=page)
        work = stack.enter_context(open_lanes(console, loaded, options, len(sources), lanes, recovery))
        segmenters = [work.segmenter() for _ in sources]
        if options.gap is None:
            fit_gaps(loaded, segmenters, sources, max_frames)
        for folder in folders:
            remove_own(folder)
        pipelines, views = [], page_views(len(sources)) if page else []
        for i, (choice, context) in enumerate(zip(chosen, contexts, strict=True)):
            taking = [*_sinks(wanted, out, sources[i].fps, context), *views[i : i + 1]]
            its = replace(live, stale_seconds=choice.stale_after)
            taken = segmenters[i], sources[i], taking
            pipelines.append(Pipeline(*taken, name=choice.name, live=its, prompter=asked))
            stack.callback(pipelines[-1].finish)
        sessions.begin(pipelines, resumed)
        for pipeline, label in zip(pipelines, labels, strict=True):
            pipeline.begin(label, max_frames=max_frames, strict=strict)
        signals = stack.enter_context(StopSignals())
        stop = open_page(stack, console, pipelines, views, prompts.port) if page else None
        with _progress(console, pipelines, max_frames) as advance:
            number = signals.run(work.workers(pipelines), on_turn=advance, on_stop=stop or (lambda: None))
        saved = sessions.save(pipelines)
    if len(pipelines) > 1:
        console.print(stream_table(pipelines))
    for pipeline in pipelines:
        _report(console, pipeline, out, max_frames, stopped=number is not None)
    for path in saved:
        plain(console, f"session -> {shown(path)}")
    if number is not None:
        raise typer.Exit(128 + number)
    if any(_failed(pipeline) for pipeline in pipelines):
        raise typer.Exit(1)


def _new_folder() -> Path:
    """`runs/` and the time, a folder that is not there yet."""
    from datetime import datetime

    return Path("runs", datetime.now().strftime("%Y%m%d-%H%M%S"))  # the user's own clock


def _check_paths(
    reading: tuple[BundleOptions, PrompterOptions, SourceOptions],
    chosen: Sequence[StreamChoice],
    prompts: PromptOptions,
    sessions: SessionOptions,
    out: Path,
    wanted: list[str],
    contexts: Sequence[SinkContext],
    overwrite: bool,
) -> list[Path]:
    """Refuses what would cost the user a file, before anything is read.

    Args:
        reading: The bundles and sources of `run`.
        prompts, sessions, out, overwrite: As of `run`.
        chosen: The streams.
        wanted: The sinks.
        contexts: Of the streams.

    Returns:
        The folders from which an earlier run's label maps are to be removed.
    """
    from ermu.cli.paths import Paths
    from ermu.cli.sinks import check_sinks
    from ermu.runtime.images.label_folder import earlier_folders
    from ermu.runtime.sinks.base import refuse_filled

    refuse_filled(out, overwrite=overwrite)
    paths = Paths(overwrite=overwrite)
    which, prompter, streams = reading
    which.tell(paths)
    prompter.tell(paths)
    streams.tell(paths, chosen)
    for prompt in prompts.prompt or []:
        paths.reads("the prompt", prompt)
    sessions.tell(paths)
    for context in contexts:
        paths.writes("the label maps", _labels(out, context.stream), folder=True)
    return [*check_sinks(paths, wanted, contexts), *earlier_folders(out)]


def _labels(out: Path, part: str | None) -> Path:
    return (out / part if part else out) / "labels"


def _sinks(wanted: list[str], out: Path, fps: float, context: SinkContext) -> list[Sink]:
    """A stream's sinks, label maps first."""
    from dataclasses import replace

    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.sinks.opening import open_sink

    context = replace(context, fps=fps)
    return [
        open_sink(f"labels={_labels(out, context.stream)}", SinkContext(fps)),
        *(open_sink(what, context) for what in wanted),
    ]


def _failed(pipeline: Pipeline) -> bool:
    """Whether something is missing in a stream's results: frames, or all that a sink took no more."""
    summary = pipeline.summary()
    return bool(summary.missing) or summary.lost or any(feeder.error for feeder in pipeline.feeders)


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


def _report(console: Any, pipeline: Pipeline, out: Path, max_frames: int | None, *, stopped: bool) -> None:
    from rich.markup import escape

    from ermu.cli.printing import plain
    from ermu.errors import counted
    from ermu.runtime.files import shown

    summary = pipeline.summary()
    wanted = min(filter(None, (max_frames, pipeline.source.total_frames)), default=None)
    if stopped and summary.frames != wanted:
        plain(console, f"stopped at {summary.frames}{f' of {wanted}' if wanted else ''}")
    plain(
        console,
        f"{counted(summary.frames, 'frame')} in {summary.seconds:.1f} s ({summary.fps:.2f} FPS), "
        f"a frame p50 {summary.percentile(50):.0f} ms, p99 {summary.percentile(99):.0f} ms -> {shown(out)}"
        + (f"; {pipeline.source.description} went away and did not come back" if summary.lost else ""),
    )
    for loss in summary.losses():
        plain(console, f"{pipeline.source.description}: {loss}")
    for feeder in pipeline.feeders:
        if feeder.error is not None:
            problem = f"[yellow]sink {escape(feeder.sink.name)} stopped:[/] {escape(feeder.error.problem)}"
            console.print(problem, highlight=False, soft_wrap=True)
