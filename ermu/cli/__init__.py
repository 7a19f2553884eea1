"""The command line: a thin skin over the package, importing what a command needs only when it runs."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ermu.cli.commands.bench import bench
from ermu.cli.commands.build import build
from ermu.cli.commands.convert import convert
from ermu.cli.commands.demo import demo
from ermu.cli.commands.doctor import doctor
from ermu.cli.commands.eval import evaluate
from ermu.cli.commands.export import export
from ermu.cli.commands.fleet import app as fleet
from ermu.cli.commands.inspect import inspect
from ermu.cli.commands.run import run
from ermu.cli.commands.serve import serve
from ermu.cli.commands.train import train
from ermu.logs import FORMATS, show_log
from ermu.redaction import print_traceback, redact_threads
from ermu.version import __version__

if TYPE_CHECKING:
    from ermu.errors import ErmuError

app = typer.Typer(
    name="ermu",
    help="Segment and follow objects in live video: export a checkpoint, run it without torch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ermu {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log reconnects, drops and restarts as well.")
    ] = False,
    log_format: Annotated[str, typer.Option(help="Of the log on stderr: text or json.")] = "text",
) -> None:
    if log_format not in FORMATS:
        raise typer.BadParameter(f"'{log_format}' is not one of {', '.join(FORMATS)}.")
    show_log(verbose=verbose, form=log_format)


app.command()(demo)
app.command()(export)
app.command()(build)
app.command()(run)
app.command()(serve)
app.add_typer(fleet, name="fleet")
app.command()(bench)
app.command("eval")(evaluate)
app.command()(train)
app.command()(convert)
app.command()(inspect)
app.command()(doctor)


def main() -> None:
    """Entry point: errors that a user can mend are printed without a traceback, exit code 1.

    What typer refuses while it reads the command line ends with 2.
    """
    from ermu.errors import ErmuError, SinkError

    redact_threads()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding lacks is escaped, not an error
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except ErmuError as error:
        _end(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            print_traceback(error)
            sys.exit(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again at its end
        if error.errno == errno.EPIPE:
            sys.exit(1)
        _end(SinkError(f"What is printed cannot be written: {error.strerror}.", fix="free some space"))
    except Exception as error:  # a fault of ours
        print_traceback(error)
        sys.exit(1)


def _end(error: ErmuError) -> NoReturn:
    from ermu.cli.printing import print_error

    print_error(error)
    sys.exit(error.exit_code)
