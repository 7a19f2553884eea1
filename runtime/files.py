"""Files: written whole or not at all, and listed as people see and count them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ermu.errors import SinkError


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which takes its place if the body succeeds.

    Raises:
        SinkError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> SinkError:
    """The error for a result that cannot be written."""
    return SinkError(
        f"Cannot write {path}: {error.strerror or error}.",
        fix="free some space or choose another folder with --out; everything written so far is intact",
    )


def natural_key(path: Path) -> tuple[tuple[int, str], ...]:
    """Sorts names with numbers as people count: frame2 before frame10, frame010 after frame9."""
    parts = re.split(r"(\d+)", path.name)
    return tuple((int(part), part) if part.isdecimal() else (-1, part.lower()) for part in parts)


def visible_files(folder: Path, *suffixes: str) -> list[Path]:
    """The folder's files with one of the suffixes (lower case, any where none is given), in natural order.

    What the system keeps beside them (.DS_Store, ._frame.png, Thumbs.db) is not among them.
    """
    found = (path for path in folder.iterdir() if _visible(path) and path.is_file())
    return sorted((p for p in found if not suffixes or p.suffix.lower() in suffixes), key=natural_key)


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order, without what the system or an editor keeps there."""
    return sorted((path for path in folder.iterdir() if _visible(path) and path.is_dir()), key=natural_key)


def _visible(path: Path) -> bool:
    return not path.name.startswith((".", "__MACOSX")) and path.name.lower() != "thumbs.db"


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
