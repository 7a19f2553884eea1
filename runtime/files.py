"""Files: written whole or not at all, by one process, and listed as people see and count them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

from ermu.errors import SinkError

_SYSTEM_NAMES = ("thumbs.db", "desktop.ini")


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


def swap_folder(new: Path, target: Path, old: Path) -> None:
    """Puts a finished folder in the place of another, of the same file system.

    Args:
        new: The finished one.
        target: Its place.
        old: Where what is there goes, if something is; it comes back where the new one cannot take its place.
    """
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def hold(descriptor: int) -> bool:
    """Whether an open file is held by nobody else, and by whoever opened it so from now until it is closed.

    Where the system or the file system has no such locks, everybody holds it.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def unwritable(path: Path, error: OSError) -> SinkError:
    """The error for a result that cannot be written."""
    return SinkError(
        f"Cannot write {shown(path)}: {error.strerror or error}.",
        fix="free some space or choose another folder; everything written so far is intact",
    )


def natural_key(path: PurePath) -> tuple[tuple[int, str], ...]:
    """Sorts names with numbers as people count: frame2 before frame10, frame010 after frame9."""
    parts = re.split(r"(\d+)", path.name)
    return tuple((int(part), part) if part.isdecimal() else (-1, part.lower()) for part in parts)


def is_visible(path: Path) -> bool:
    """Whether a file or folder is the user's own, not what a system or an editor keeps beside (.DS_Store,
    ._frame.png, .ipynb_checkpoints, __MACOSX, Thumbs.db).
    """
    return not path.name.startswith((".", "__MACOSX")) and path.name.lower() not in _SYSTEM_NAMES


def visible_files(folder: Path, *suffixes: str) -> list[Path]:
    """The folder's visible files with one of the suffixes (lower case, any where none is given), in natural
    order.
    """
    found = (path for path in folder.iterdir() if is_visible(path) and path.is_file())
    return sorted((p for p in found if not suffixes or p.suffix.lower() in suffixes), key=natural_key)


def visible_folders(folder: Path) -> list[Path]:
    """The folder's visible folders in natural order."""
    return sorted((path for path in folder.iterdir() if is_visible(path) and path.is_dir()), key=natural_key)


def is_unicode(path: str | os.PathLike[str]) -> bool:
    """Whether a path is text: a name that is not UTF-8 is none, and ends OpenCV with a crash."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(path: str | os.PathLike[str]) -> str:
    r"""A path for messages, pages and JSON: bytes that are no text in this locale stand as \xff."""
    return os.fsencode(path).decode(sys.getfilesystemencoding(), "backslashreplace")


def few(names: Sequence[str]) -> str:
    """Names for a message: the first three, and dots where there are more."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
