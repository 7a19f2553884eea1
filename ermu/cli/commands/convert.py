"""`ermu convert`: label maps to and from the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ermu.cli.options import listed
from ermu.errors import OptionError
from ermu.registries import FORMATS


def convert(
    source: Annotated[
        Path,
        typer.Option(help="Label maps (the labels of ermu run), or annotations of one of the formats."),
    ],
    to: Annotated[str, typer.Option(help=f"Format to write: {listed(FORMATS.names())}.")],
    out: Annotated[
        Path, typer.Option(help="File (coco, youtube-vis, cvat) or folder (the others) to write.")
    ],
    kind: Annotated[
        str | None, typer.Option("--from", help="Format of the source; default: the one that it looks like.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the frames' pictures, whose names and sizes are written; yolo-seg needs it."
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(help="ID=NAME: what an object is, such as 1=person; repeatable."),
    ] = None,
    numbered: Annotated[
        bool,
        typer.Option("--numbered", help="Call frames by the number at the end of their names: a video's."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file, or what an earlier conversion has written.")
    ] = False,
) -> None:
    """Convert label maps to COCO, YouTube-VIS, YOLO-seg, MOTS or CVAT, and corrections back to prompts."""
    from rich.console import Console

    from ermu.cli.printing import WorkConsole, plain
    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.formats import conversion
    from ermu.runtime.files import shown

    names = _categories(category or [])
    _check_paths(source, images, to, out, overwrite)
    kind = kind or conversion.recognised(source)
    clips = conversion.with_categories(conversion.read_clips(source, kind, images), names)
    if numbered:
        clips = conversion.numbered(clips)
    tally = conversion.write_clips(clips, to, out, overwrite=overwrite)
    console = WorkConsole()
    if strange := sorted(names.keys() - set().union(*tally.objects.values())):
        plain(Console(stderr=True), f"no object has the id {', '.join(map(str, strange))}")
    clips_told = f" of {len(clips)} clips" if len(clips) > 1 else ""
    plain(
        console, f"{kind} -> {to}: {tally.frames} frames{clips_told}, {tally.count} objects -> {shown(out)}"
    )


def _categories(given: list[str]) -> dict[int, str]:
    """Categories by id, as `--category` says them."""
    found: dict[int, str] = {}
    for text in given:
        number, _, name = text.partition("=")
        if not (number.isdecimal() and 1 <= int(number) <= 254 and name.strip()):
            raise OptionError(f"--category {text} names no object.", expected="ID=NAME, such as 1=person")
        if int(number) in found:
            raise OptionError(f"--category names the object {number} twice.", expected="one name an object")
        found[int(number)] = name.strip()
    return found


def _check_paths(source: Path, images: Path | None, to: str, out: Path, overwrite: bool) -> None:
    """Refuses what would cost the user a file, before anything is read."""
    from ermu.cli.paths import Paths
    from ermu.formats.output import check_own

    fills_folder = FORMATS.get(to).fills_folder
    paths = Paths(overwrite=overwrite)
    paths.reads("the source", source, whole=True)
    paths.reads("the images", images, whole=True)
    paths.writes(f"the {to}", out, folder=fills_folder)
    paths.check()
    if fills_folder:
        check_own(out)
