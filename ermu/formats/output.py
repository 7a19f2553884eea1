"""Folders that a conversion writes: in one go, with a list by which a later one knows what is its own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ermu.errors import SinkError
from ermu.runtime.files import shown, swap_folder, unwritable
from ermu.runtime.sinks.base import refuse_filled

_LIST = ".ermu-convert"  # names of the folder's files, as JSON


def check_own(folder: Path) -> None:
    """Makes sure that a folder holds nothing but what an earlier conversion has written.

    Raises:
        SinkError: it does.
    """
    own = _listed(folder)
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if (path.is_symlink() or not path.is_dir()) and path.relative_to(folder).as_posix() not in own:
            raise SinkError(
                f"{shown(path)} was not written by `ermu convert`, and will not be overwritten.",
                expected="a folder that holds an earlier conversion alone",
                fix="choose another --out, or move the file away",
            )


@contextmanager
def written_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields an empty folder beside `out`, which takes its place if the body succeeds.

    Raises:
        SinkError: something is there that must stay, or it cannot be written; `out` is as it was.
    """
    target = out.resolve()
    refuse_filled(target, overwrite=overwrite)
    check_own(target)
    try:
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise unwritable(out, error) from error
    try:
        new = place / "new"
        new.mkdir()
        yield new
        _take_place(new, target, place / "old")
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _take_place(new: Path, target: Path, old: Path) -> None:
    files = [path.relative_to(new).as_posix() for path in sorted(new.rglob("*")) if not path.is_dir()]
    (new / _LIST).write_text(json.dumps([*files, _LIST]), "utf-8", "surrogateescape")
    check_own(target)  # what may have come meanwhile
    swap_folder(new, target, old)


def _listed(folder: Path) -> set[str]:
    try:
        names = json.loads((folder / _LIST).read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
