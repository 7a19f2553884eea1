"""`ermu demo`: the whole job on an embedded clip, with figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the bundle and the results.")] = Path("demo"),
    source: Annotated[
        str | None,
        typer.Option(help="A camera index (draw a box around an object); default: a clip drawn from a seed."),
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="Frames to segment.")] = 90,
) -> None:
    """Export the demo network and segment a clip with it; no arguments and no downloads needed."""
    from ermu.cli.printing import WorkConsole
    from ermu.runtime.opencv import need_opencv

    need_opencv()

    from ermu.cli.result_folders import check_demo
    from ermu.demo import run_demo

    check_demo(out)
    run_demo(out, source=source, frames=frames, console=WorkConsole())
