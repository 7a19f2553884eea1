"""Label maps that a run wrote, told from those of the user's that may lie in the same folder."""

from __future__ import annotations

from pathlib import Path

from ermu.errors import SinkError
from ermu.runtime.files import unwritable

MARK = "ermu run"  # the PNG text "Software" of every label map that a run writes
_HEAD = 4096  # bytes: the text stands before the pixels


def is_own(path: Path) -> bool:
    """Whether a run wrote the file."""
    try:
        with path.open("rb") as file:
            return f"tEXtSoftware\0{MARK}".encode() in file.read(_HEAD)
    except OSError:
        return False


def refuse_others(folder: Path) -> None:
    """Makes sure that a folder which a run overwrites holds no PNG but a run's own.

    Raises:
        SinkError: it does.
    """
    other = next((path for path in sorted(folder.glob("*.png")) if not is_own(path)), None)
    if other is not None:
        raise SinkError(
            f"{other} was not written by `ermu run`, and will not be overwritten.",
            expected="a folder that holds no label maps but those of an earlier run",
            fix="choose another --out, or move the file away",
        )


def remove_own(folder: Path) -> None:
    """Removes the label maps of an earlier run, and nothing else.

    Raises:
        SinkError: one cannot be removed.
    """
    try:
        for path in folder.glob("*.png"):
            if is_own(path):
                path.unlink()
    except OSError as error:
        raise unwritable(folder, error) from error


def earlier_folders(results: Path) -> list[Path]:
    """Where an earlier run with those results has its label maps: `labels`, and `<stream>/labels`."""
    return [folder for folder in (results / "labels", *results.glob("*/labels")) if folder.is_dir()]
