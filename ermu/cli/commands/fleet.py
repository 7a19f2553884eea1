"""`ermu fleet`: a file's streams on many machines, by Ray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.live_page import ServerOptions
from ermu.cli.option_groups import with_option_groups
from ermu.cli.options import BUNDLE_HELP, BackendName, Capacity, Gap, Policy, Precision

if TYPE_CHECKING:
    from ermu.fleet.fleet import Fleet
    from ermu.runtime.config.schema import StreamsFile

Config = Annotated[
    Path | None,
    typer.Option(help="A YAML file of streams, where their sessions lie, and how they are placed."),
]

Cpus = Annotated[
    int | None, typer.Option(min=1, help="Cores that a local Ray may give; default: this machine's.")
]

app = typer.Typer(help="Run a file's streams on many machines, by Ray.", invoke_without_command=True)


@app.callback()
@with_option_groups
def fleet(
    context: typer.Context,
    config: Config = None,
    *,
    server: ServerOptions,
    cpus: Cpus = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Have a local Ray serve its own dashboard, too.")
    ] = False,
) -> None:
    """Run a file's streams on many machines: a dead worker's or node's go on elsewhere, with the same ids."""
    if context.invoked_subcommand is not None:
        return
    import logging

    from ermu.cli.live_page import need_server
    from ermu.cli.printing import WorkConsole
    from ermu.fleet.cluster import Cluster, need_ray

    file = _read(config)
    need_ray()
    need_server()
    access, console = server.access(), WorkConsole()
    _refuse_wrong(file, server, cpus)
    from ermu.fleet.fleet import Fleet

    verbose = logging.getLogger("ermu").isEnabledFor(logging.INFO)
    with (
        Cluster(file.fleet, cpus=cpus, dashboard=dashboard) as cluster,
        Fleet(file, cluster, verbose=verbose, log_format=_log_format()) as running,
    ):
        _serve(console, running, server, access)
        status = running.status()
    _report(console, status)


@app.command("check")
@with_option_groups
def check(config: Config = None, *, server: ServerOptions, cpus: Cpus = None) -> None:
    """Look a file over without starting anything, and say what the fleet would open to the network."""
    from rich.markup import escape

    from ermu.cli.printing import WorkConsole
    from ermu.fleet.check import check_fleet

    file = _read(config)
    host, token = f"{server.host}:{server.port}", server.token is not None
    findings = check_fleet(file, host=host, token=token, cpus=cpus)
    console = WorkConsole()
    for finding in findings:
        mark = "[red]wrong[/]" if finding.wrong else "[green]ok[/]   "
        line = f"{mark} {escape(finding.about)}: {escape(finding.text)}"
        console.print(line, highlight=False, soft_wrap=True)
    if any(finding.wrong for finding in findings):
        raise typer.Exit(1)


@app.command("run")
def run(
    videos: Annotated[Path, typer.Option(help="Folder of videos, or of folders of images.")],
    prompts: Annotated[Path, typer.Option(help="Label maps, or folders of them, called like the videos.")],
    out: Annotated[Path, typer.Option(help="Folder: OUT/VIDEO/labels/<name>.png; all nodes reach it.")],
    bundle: Annotated[str, typer.Option(help=BUNDLE_HELP)],
    address: Annotated[
        str, typer.Option(help="local starts Ray on this machine; HOST:PORT of a cluster's head.")
    ] = "local",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each task.")] = 1,
    policy: Policy = None,
    capacity: Capacity = None,
    gap: Gap = None,
    precision: Precision = None,
    backend: BackendName = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in --out; finished videos are kept.")
    ] = False,
) -> None:
    """Segment many videos as Ray tasks, each as `ermu run` does; a broken one is told of and left out."""
    from rich.progress import Progress

    from ermu.cli.printing import WorkConsole, plain
    from ermu.fleet.cluster import Cluster, need_ray
    from ermu.fleet.offline import section_of
    from ermu.fleet.videos import VideoRun, videos_in

    need_ray()
    named = {"policy": policy, "capacity": capacity, "gap": gap, "precision": precision, "backend": backend}
    given = [word for name, value in named.items() if value is not None for word in (f"--{name}", str(value))]
    where = str(Path(bundle).resolve()) if Path(bundle).is_dir() else bundle
    work = VideoRun(["--bundle", where, *given], out.resolve(), threads)
    found, console = videos_in(videos, prompts), WorkConsole()
    waiting, broken = work.waiting(found, resume=resume), {}
    with Cluster(section_of(address)) as cluster, Progress(console=console, transient=True) as progress:
        task = progress.add_task("videos", total=len(found), completed=len(found) - len(waiting))
        for name, wrong in work.execute(cluster, waiting):
            progress.advance(task)
            if wrong is not None:
                broken[name] = wrong
                plain(console, f"{name}: {wrong}")
    plain(console, f"{len(found) - len(broken)} of {len(found)} videos -> {out}")
    if broken:
        raise typer.Exit(1)


def _read(config: Path | None) -> StreamsFile:
    from ermu.errors import OptionError
    from ermu.runtime.config.streams_file import read_streams_file

    if config is None:
        raise OptionError("There is nothing to run.", expected="--config FILE.yaml", fix="see docs/fleet.md")
    return read_streams_file(config)


def _refuse_wrong(file: StreamsFile, server: ServerOptions, cpus: int | None) -> None:
    from ermu.errors import OptionError
    from ermu.fleet.check import check_fleet

    findings = check_fleet(file, host=server.host, token=server.token is not None, cpus=cpus)
    wrong = [finding for finding in findings if finding.wrong]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise OptionError(f"{wrong[0].about}: {wrong[0].text}{more}.", fix="see all of it: ermu fleet check")


def _serve(console: Any, running: Fleet, server: ServerOptions, access: Any) -> None:
    """Serves the front until a signal."""
    from threading import Event

    from ermu.cli.printing import plain
    from ermu.cli.signals import StopSignals
    from ermu.errors import counted
    from ermu.fleet.front.app import create_front
    from ermu.runtime.serve.server import Server

    over, app = Event(), create_front(running, access)
    front = Server(app, host=server.host, port=server.port, proxy=access.proxy)
    with StopSignals() as signals, front as serving:
        running.start()
        shown = f"{access.proxy.url or serving.url}{'?token=...' if access.token else ''}"
        plain(console, f"{counted(len(running.streams), 'stream')} at {shown} (stop with Ctrl-C)")
        signals.wait(over, on_stop=serving.stop)


def _log_format() -> str:
    import logging

    from ermu.logs import JsonFormatter

    handlers = logging.getLogger("ermu").handlers
    return "json" if handlers and isinstance(handlers[0].formatter, JsonFormatter) else "text"


def _report(console: Any, status: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("stream", "standing", "worker", "moves", "frames lost", "again", "objects")
    for each in status["streams"]:
        row = [each["name"], each["standing"], each["worker"] or "", each["moves"], each["frames_lost"]]
        table.add_row(*map(str, [*row, each["frames_again"], len(each["objects"])]))
    console.print(table)
