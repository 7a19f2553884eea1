"""What commands print: text of the user's goes through `escape`, so that brackets stay brackets."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from ermu.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ermu.errors import ErmuError
    from ermu.runtime.backends.base import Misfit


class WorkConsole(Console):
    """Of a command that makes something: where nobody reads any more what it says, it goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def plain(console: Console, text: str) -> None:
    """A line as it is, secrets aside: no markup, no colours, no breaks."""
    console.print(redact(text), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(console: Console, what: str = "") -> Iterator[Callable[[str, int, int], None]]:
    """Says what is being made and how far it is: a bar on a terminal, else a line a step on stderr.

    Args:
        console: Of the terminal.
        what: Said before the first step; with none, nothing is.
    """
    from rich.progress import Progress

    if not console.is_terminal:
        lines = Console(stderr=True)

        def say(what: str, step: int, steps: int) -> None:
            if step < steps:
                plain(lines, f"{what} ({step + 1} of {steps})")

        yield say
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, visible=bool(what))

        def show(what: str, step: int, steps: int) -> None:
            bar.update(task, description=what, completed=step, total=steps, visible=True)

        yield show


def print_error(error: ErmuError) -> None:
    """An error on stderr: what was found, what was expected, how to mend it."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error:[/] {escape(error.problem)}")
    for name, text in (("expected", error.expected), ("fix", error.fix)):
        if text:
            console.print(f"[bold]{name}:[/] {escape(text)}")


def print_misfits(console: Console, name: str, misfits: Sequence[Misfit]) -> None:
    """Why a backend does not run here, a line a reason; or that it does."""
    if not misfits:
        console.print(f"[green]runs[/]  {escape(name)}", highlight=False)
    for misfit in misfits:
        console.print(f"[yellow]not[/]   {escape(name)}: {escape(misfit.found)}", highlight=False)
        line = f"        needed: {misfit.needed}; {misfit.fix}"
        console.print(escape(line), highlight=False, soft_wrap=True)
