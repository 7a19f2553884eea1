"""`ermu doctor`: what works on this machine, and how to mend the rest."""

from __future__ import annotations

from typing import Annotated

import typer

_COLOURS = {"ok": "green", "missing": "yellow", "mismatch": "red"}


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
    """Check this machine: every line says ok, missing or mismatch, with the command that mends it.

    Exit code 1 if something does not match, or something that the device needs is missing.
    """
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.markup import escape

    from ermu.runtime.doctor import examine

    checks = examine(bundle, device=device)
    failed = any(check.fails for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, indent=1))
    else:
        console = Console(soft_wrap=True, highlight=False)
        width = max(len(check.name) for check in checks)
        for check in checks:
            state = f"[{_COLOURS[check.state]}]{check.state:8}[/]"
            console.print(f"{state} {check.name:{width}}  {escape(check.found)}")
            if check.state != "ok" and check.fix:
                console.print(f"{'':8} {'':{width}}  -> {escape(check.fix)}")
    raise typer.Exit(1 if failed else 0)
