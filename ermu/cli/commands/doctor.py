"""`ermu doctor`: what works on this machine, and how to mend the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ermu.runtime.doctor import Check

_COLOURS = {"ok": "green", "optional": "dim", "missing": "red", "mismatch": "red", "failed": "red"}


def doctor(
    bundle: Annotated[
        str | None,
        typer.Option(help="A bundle to check too, its engines against what is installed."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, or cuda (cuda:1) to need a GPU and what drives it.")
    ] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine by trying it: what works, what is missing or fails, and the command that mends it.

    Exit code 1 if something does not match, or something that the device needs is missing or fails.
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from ermu.runtime.doctor import examine

    checks = examine(bundle, device=device)
    failed = any(check.fails for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, indent=1))
    else:
        _print(Console(soft_wrap=True, highlight=False), checks, device)
    raise typer.Exit(1 if failed else 0)


def _print(console: Console, checks: Sequence[Check], device: str) -> None:
    """The checks by what they are for, then all of it in a line."""
    from rich.markup import escape

    from ermu.runtime.doctor import GROUPS

    width = max(len(check.name) for check in checks)
    for group in GROUPS:
        listed = [check for check in checks if check.group == group]
        if listed:
            console.print(f"[bold]{group}[/]")
        for check in listed:
            state = _state(check)
            console.print(f"  [{_COLOURS[state]}]{state:8}[/] {check.name:{width}}  {escape(check.found)}")
            if check.state != "ok" and check.fix:
                console.print(f"  {'':8} {'':{width}}  -> {escape(check.fix)}")
    console.print(_summary(checks, device))


def _state(check: Check) -> str:
    """As people read it: what nobody needs here is optional, not missing."""
    return "optional" if check.state == "missing" and not check.needed else check.state


def _summary(checks: Sequence[Check], device: str) -> str:
    amiss = [check.name for check in checks if check.fails]
    optional = sum(_state(check) == "optional" for check in checks)
    rest = f"; {optional} optional parts are not there" if optional else ""
    if amiss:
        return f"[red]amiss:[/] {', '.join(amiss)}{rest}"
    return f"[green]all is well[/] on {device}{rest}"
