"""`ermu serve`: live streams with a page and an API to steer them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.bundles import BundleOptions, open_lanes
from ermu.cli.inputs.prompter_options import PrompterOptions, tell_prompter
from ermu.cli.inputs.source_options import SourceOptions
from ermu.cli.live_page import ServerOptions
from ermu.cli.option_groups import with_option_groups
from ermu.cli.options import LaneCount, Objects, RecordOptions, SegmenterOptions, SinkList
from ermu.registries import POLICIES

if TYPE_CHECKING:
    from ermu.cli.inputs.file_settings import FileSettings
    from ermu.runtime.config.stream_choice import StreamChoice
    from ermu.runtime.images.prompter import Prompter
    from ermu.runtime.serve.guard import Access
    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.sessions.folder import SessionFolder


@with_option_groups
def serve(
    which: BundleOptions,
    streams: SourceOptions,
    prompter: PrompterOptions,
    *,
    server: ServerOptions,
    on_add: Annotated[
        str,
        typer.Option(help="New objects get a memory of their own (group), or all begin anew (restart)."),
    ] = "group",
    lost_after: Annotated[float, typer.Option(min=0.0, help="Seconds until an absent object is lost.")] = 2.0,
    loop: Annotated[
        bool, typer.Option("--loop", help="Play files again from the start at their end.")
    ] = False,
    sessions: Annotated[
        Path | None,
        typer.Option(help="Folder with a session of every stream: kept up to date, gone on from at start."),
    ] = None,
    session_seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two sessions of a stream.")
    ] = 5.0,
    lanes: LaneCount = None,
    objects: Objects = None,
    sink: SinkList = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let sinks replace files that exist.")
    ] = False,
    records: RecordOptions,
    options: SegmenterOptions,
) -> None:
    """Segment live streams, files at their own rate, steered from a page in the browser and a JSON API."""
    from contextlib import ExitStack

    from ermu.cli.printing import WorkConsole
    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.cli.live_page import need_server
    from ermu.cli.sinks import sink_contexts
    from ermu.runtime.images.label_folder import remove_own
    from ermu.runtime.sources.paced import PacedSource
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.sessions.folder import SessionFolder
    from ermu.runtime.streams.work.recovery import Recovery

    need_server()
    access = server.access()
    chosen, said = streams.chosen(loop=loop), streams.said()
    (which, options), sessions = said.fill(which, options), sessions or said.sessions
    wanted = [*([f"objects={objects}"] if objects else []), *(sink or [])]
    names = [choice.name for choice in chosen]
    contexts = sink_contexts(names, [True] * len(names), records, overwrite=overwrite)
    folders = _check_paths(which, prompter, streams, chosen, said, wanted, contexts, overwrite)
    console = WorkConsole()
    live, recovery = LiveOptions(on_add=on_add, lost_seconds=lost_after), Recovery()
    with ExitStack() as stack:
        held = None if sessions is None else stack.enter_context(SessionFolder(sessions))
        loaded = which.load(console, options)
        own = [said.of_segmenter(number) for number in range(len(chosen))]
        for each in own:
            _refuse_unbounded(each.get("policy") or options.policy or loaded.manifest.memory.policy)
        prompters = stack.enter_context(prompter.opening(loaded, options, recovery))
        asked = [prompters.of(said.prompter(i) or prompter.prompter) for i in range(len(chosen))]
        sources = []
        for choice in chosen:
            opened = stack.enter_context(choice.opened())
            paced = None if opened.live else stack.enter_context(PacedSource(opened, loop=choice.loop))
            sources.append(paced or opened)
        work = stack.enter_context(open_lanes(console, loaded, options, len(chosen), lanes, recovery))
        segmenters = [work.segmenter(**each) for each in own]
        for folder in folders:
            remove_own(folder)
        parts = list(zip(chosen, contexts, sources, segmenters, asked, strict=True))
        kept = None if held is None else (held, session_seconds)
        _serve(console, parts, said, work, live, wanted, server, access, kept)


def _refuse_unbounded(policy: str) -> None:
    from ermu.errors import OptionError

    if not POLICIES.get(policy).bounded:
        raise OptionError(
            f"The policy {policy} keeps every frame for ever.",
            expected="a policy that stops at the capacity",
            fix="--policy ermu --gap 5 --capacity 9",
        )


def _check_paths(
    which: BundleOptions,
    prompter: PrompterOptions,
    streams: SourceOptions,
    chosen: list[StreamChoice],
    said: FileSettings,
    wanted: list[str],
    contexts: list[SinkContext],
    overwrite: bool,
) -> list[Path]:
    """Refuses what would cost the user a file.

    Returns:
        The folders from which an earlier run's label maps are to be removed.
    """
    from ermu.cli.paths import Paths
    from ermu.cli.sinks import check_sinks

    paths = Paths(overwrite=overwrite)
    which.tell(paths)
    prompter.tell(paths)
    streams.tell(paths, chosen)
    for number, context in enumerate(contexts):
        tell_prompter(paths, said.prompter(number))
        check_sinks(paths, said.sinks(number), [context])
    return check_sinks(paths, wanted, contexts)


def _serve(
    console: Any,
    parts: list[tuple[StreamChoice, SinkContext, Any, Any, Prompter | None]],
    said: FileSettings,
    work: Any,
    live: Any,
    wanted: list[str],
    server: ServerOptions,
    access: Access,
    kept: tuple[SessionFolder, float] | None,
) -> None:
    """Runs the streams and the server until a signal; `kept` says where sessions lie, and how often."""
    from contextlib import nullcontext
    from dataclasses import replace

    from ermu.cli.live_page import live_page
    from ermu.cli.printing import plain
    from ermu.cli.signals import StopSignals
    from ermu.errors import counted
    from ermu.runtime.serve.broadcast import Broadcast
    from ermu.runtime.sinks.opening import open_sink
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.sessions.snapshots import Snapshots

    broadcasts, pipelines = [], []
    for number, (choice, given, opened, segmenter, prompter) in enumerate(parts):
        context, its = replace(given, fps=opened.fps), replace(live, stale_seconds=choice.stale_after)
        broadcasts.append(Broadcast())
        sinks = [broadcasts[-1], *(open_sink(what, context) for what in (*wanted, *said.sinks(number)))]
        pipelines.append(Pipeline(segmenter, opened, sinks, name=choice.name, live=its, prompter=prompter))
    snapshots = None if kept is None else Snapshots(pipelines, kept[0], seconds=kept[1])
    resumed = snapshots.restore() if snapshots else []
    for number, pipeline in enumerate(pipelines):
        said.begin(number, pipeline)
    page = live_page(pipelines, broadcasts, access, host=server.host, port=server.port)
    with StopSignals() as signals, page as serving, snapshots or nullcontext():
        shown = f"{access.proxy.url or serving.url}{'?token=...' if access.token else ''}"
        plain(console, f"{counted(len(pipelines), 'stream')} at {shown} (stop with Ctrl-C)")
        if resumed:
            plain(console, f"gone on from sessions: {', '.join(resumed)}")
        signals.run(work.workers(pipelines, endless=True), on_stop=serving.stop)
    _report(console, pipelines)
    if snapshots:
        plain(console, snapshots.summary())


def _report(console: Any, pipelines: list[Pipeline]) -> None:
    from ermu.cli.streams import stream_table

    console.print(stream_table(pipelines))
