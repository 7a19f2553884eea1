"""`ermu tune`: every backend and precision timed on this machine, for `auto` to choose by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.cli.options import BUNDLE_HELP
from ermu.errors import BenchmarkError

if TYPE_CHECKING:
    from rich.console import Console

    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.tuning.measured import Measured

_FRAMES = 24  # of the clip, which is played forth and back
_SCENE_HW = (360, 640)


def tune(
    bundle: Annotated[str, typer.Argument(help=BUNDLE_HELP)],
    device: Annotated[str, typer.Option(help="cpu, or cuda (cuda:1).")] = "cpu",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads to measure for; default: the processors that may be used."),
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="Gap cycles that each is timed for.")] = 6,
    clip: Annotated[
        str | None,
        typer.Option(help="Video to measure on, sized as your own; default: drawn, 640x360."),
    ] = None,
    prompt: Annotated[Path | None, typer.Option(help="Label map of the clip's first frame.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep times of a machine that had other things to do, too.")
    ] = False,
) -> None:
    """Time every backend and precision that runs a bundle here; `auto` then takes the fastest that keeps 99%.

    The times are kept in the user's cache, for this bundle, device and number of threads, until the machine
    or a library is another. Not kept where other processes were at work, which ends with 1.
    """
    from rich.console import Console

    from ermu.cli.printing import WorkConsole, plain, progress
    from ermu.export.precision.clip import given_clip, procedural_clip
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.measuring import measure
    from ermu.runtime.opencv import need_opencv
    from ermu.runtime.timing.other_work import BUSY
    from ermu.runtime.tuning.store import measured_path, save_measured

    need_opencv()
    loaded = Bundle.load(bundle)
    shown = given_clip(clip, prompt, frames=_FRAMES) or procedural_clip(
        frames=_FRAMES, objects=1, size_hw=_SCENE_HW
    )
    with progress(WorkConsole(), "tune") as show:
        found = measure(
            loaded,
            shown.frames,
            shown.label,
            clip=shown.name,
            device=device,
            threads=threads,
            turns=turns,
            progress=show,
        )
    console = Console()
    path = measured_path(loaded, device, threads)
    busy = found.others_cores or 0.0
    if busy > BUSY and not keep:
        _print(console, loaded, found)
        raise BenchmarkError(
            f"Nothing is kept: other processes kept {busy:.1f} cores busy.",
            fix="run it with nothing else on the machine, or pass --keep",
        )
    save_measured(found, path)
    _print(console, loaded, found)
    plain(console, f"kept in {path}")


def _print(console: Console, bundle: Bundle, found: Measured) -> None:
    """The times, the fastest first; marked is what `--precision auto` takes of these."""
    from rich.table import Table

    from ermu.runtime.tuning.choosing import best

    chosen = best(found.timed)
    plain = best(each for each in found.timed if each.precision == bundle.manifest.precision)
    table = Table(title=f"{bundle.path.name}: {found.clip}, {found.device}, {found.threads} threads")
    for column in ("backend", "precision", "ms a frame", "pixels kept", "taken by"):
        table.add_column(column, justify="right" if column in ("ms a frame", "pixels kept") else "left")
    for each in sorted(found.timed, key=lambda timed: timed.frame_ms):
        by = [name for name, of in (("--backend auto", plain), ("--precision auto", chosen)) if each == of]
        share = f"{each.agreement:.2%}"
        table.add_row(each.backend, each.precision, f"{each.frame_ms:.1f}", share, ", ".join(by))
    console.print(table)
