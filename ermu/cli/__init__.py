"""The command line: a thin skin over the package, importing what a command needs only when it runs."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from ermu.logs import FORMATS, show_log
from ermu.redaction import print_traceback, redact_threads
from ermu.version import __version__

if TYPE_CHECKING:
    from ermu.errors import ErmuError

COMMANDS = {
    "demo": "demo:demo",
    "export": "export:export",
    "build": "build:build",
    "tune": "speed.tune:tune",
    "run": "run:run",
    "serve": "serve:serve",
    "fleet": "fleet:app",
    "bench": "speed.bench:bench",
    "eval": "eval:evaluate",
    "train": "train:train",
    "convert": "convert:convert",
    "inspect": "inspect:inspect",
    "doctor": "doctor:doctor",
}


class _Commands(TyperGroup):
    """The commands, each imported when it is asked for: a start pays for the one that runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"ermu.cli.commands.{module}"), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
            alone.command(cmd_name)(found)
            found = alone
        command = get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="ermu",
    cls=_Commands,
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
