"""`ermu serve`: live streams with a page and an API to steer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.bundles import BundleOptions, tell_backend
from ermu.cli.live_page import ServerOptions
from ermu.cli.option_groups import with_option_groups
from ermu.cli.options import Decode, Objects, RecordOptions, SegmenterOptions, SinkList
from ermu.registries import POLICIES, SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from ermu.runtime.serve.guard import Access
    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.streams.pipeline import Pipeline


@with_option_groups
def serve(
    which: BundleOptions,
    source: Annotated[
        list[str],
        typer.Option(
            help="Camera index, rtsp:// or http:// address, video file, folder, glob, scene:SEED; "
            f"repeatable. Files are played at their own rate. Kinds: {', '.join(SOURCES.names())}."
        ),
    ],
    name: Annotated[
        list[str] | None,
        typer.Option(help="Names of the streams, one a source; default: 0, 1, ..."),
    ] = None,
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
    objects: Objects = None,
    sink: SinkList = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let sinks replace files that exist.")
    ] = False,
    decode: Decode = "cpu",
    records: RecordOptions,
    options: SegmenterOptions,
) -> None:
    """Segment live streams, steered from a page in the browser and a JSON API."""
    from contextlib import ExitStack

    from rich.console import Console

    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.cli.live_page import need_server
    from ermu.cli.sinks import sink_contexts
    from ermu.cli.streams import stream_names
    from ermu.errors import OptionError
    from ermu.runtime.images.label_folder import remove_own
    from ermu.runtime.sources.opening import open_source
    from ermu.runtime.sources.paced import PacedSource
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.segmenters import SharedBackend

    need_server()
    access = server.access()
    names = stream_names(source, name)
    wanted = [*([f"objects={objects}"] if objects else []), *(sink or [])]
    contexts = sink_contexts(names, [True] * len(names), records, overwrite=overwrite)
    folders = _check_paths(which, source, wanted, contexts, overwrite)
    console = Console()
    loaded = which.load(console, options)
    policy = options.policy or loaded.manifest.memory.policy
    if not POLICIES.get(policy).bounded:
        raise OptionError(
            f"The policy {policy} keeps every frame for ever.",
            expected="a policy that stops at the capacity",
            fix="--policy ermu --gap 5 --capacity 9",
        )
    live = LiveOptions(on_add=on_add, lost_seconds=lost_after)
    with ExitStack() as stack:
        sources = []
        for where in source:
            opened = stack.enter_context(open_source(where))
            opened.decode_on(decode)
            sources.append(opened if opened.live else stack.enter_context(PacedSource(opened, loop=loop)))
        shared = stack.enter_context(SharedBackend(loaded, len(sources), **options.keywords()))
        tell_backend(console, loaded, options, shared.segmenters[0].backend)
        for folder in folders:
            remove_own(folder)
        streams = list(zip(contexts, sources, shared.segmenters, strict=True))
        _serve(console, streams, shared, live, wanted, server, access)


def _check_paths(
    which: BundleOptions,
    sources: list[str],
    wanted: list[str],
    contexts: list[SinkContext],
    overwrite: bool,
) -> list[Path]:
    """Refuses what would cost the user a file.

    Returns:
        The folders from which an earlier run's label maps are to be removed.
    """
    from ermu.cli.paths import Paths
    from ermu.cli.sinks import tell_sinks
    from ermu.runtime.images.label_folder import refuse_others

    paths = Paths(overwrite=overwrite)
    which.tell(paths)
    for where in sources:
        paths.reads("the source", where)
    tell_sinks(paths, wanted, contexts)
    paths.check()
    for folder in paths.folders:
        refuse_others(folder)
    return paths.folders


def _serve(
    console: Any,
    parts: list[tuple[SinkContext, Any, Any]],
    shared: Any,
    live: Any,
    wanted: list[str],
    server: ServerOptions,
    access: Access,
) -> None:
    """Runs the streams and the server until a signal."""
    from dataclasses import replace

    from ermu.cli.live_page import live_page
    from ermu.cli.printing import plain
    from ermu.cli.signals import StopSignals
    from ermu.runtime.serve.broadcast import Broadcast
    from ermu.runtime.sinks.opening import open_sink
    from ermu.runtime.streams.pipeline import Pipeline
    from ermu.runtime.streams.scheduler import Scheduler

    broadcasts, pipelines = [], []
    for given, opened, segmenter in parts:
        context = replace(given, fps=opened.fps)
        broadcasts.append(Broadcast())
        sinks = [broadcasts[-1], *(open_sink(what, context) for what in wanted)]
        pipelines.append(Pipeline(segmenter, opened, sinks, name=context.name, live=live))
    for pipeline in pipelines:
        pipeline.begin()
    page = live_page(pipelines, broadcasts, access, host=server.host, port=server.port)
    with StopSignals() as signals, page as serving:
        shown = f"{access.proxy.url or serving.url}{'?token=...' if access.token else ''}"
        plain(console, f"{len(pipelines)} streams at {shown} (stop with Ctrl-C)")
        signals.run(Scheduler(pipelines, endless=True, shared=shared), on_stop=serving.stop)
    _report(console, pipelines)


def _report(console: Any, pipelines: list[Pipeline]) -> None:
    from ermu.cli.streams import stream_table

    console.print(stream_table(pipelines))
