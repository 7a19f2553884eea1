"""A bundle's folder out of an archive: its files alone, and none outside of the folder."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ermu.errors import BundleError

_MANIFEST = "manifest.json"
_EXPECTED = "a zip or tar archive of a bundle's folder"


def unpack(archive: Path, folder: Path, what: str) -> Path:
    """Unpacks an archive with a bundle at its top, or in one folder.

    Args:
        archive: A zip or tar file, compressed or not.
        folder: That will hold the bundle's files; created.
        what: The archive is called in messages.

    Raises:
        BundleError: it is no archive, damaged, holds no bundle, or what is no plain file of a folder.
        OSError: a file cannot be written.
    """
    try:
        with _members(archive, what) as members:
            _write(members, folder, what)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise BundleError(f"{what} cannot be unpacked: {error}.", expected=_EXPECTED) from error
    return _bundle_in(folder, what)


_Member = tuple[str, IO[bytes]]


@contextmanager
def _members(archive: Path, what: str) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield ((info.filename, zipped.open(info)) for info in zipped.infolist() if not info.is_dir())
        return
    if not tarfile.is_tarfile(archive):
        raise BundleError(f"{what} is no archive.", expected=_EXPECTED)
    with tarfile.open(archive) as tarred:
        yield _of_tar(tarred, what)


def _of_tar(tarred: tarfile.TarFile, what: str) -> Iterator[_Member]:
    for member in tarred:
        if member.isdir():
            continue
        content = tarred.extractfile(member) if member.isreg() else None
        if content is None:
            raise BundleError(f"{what} holds {member.name}, which is no plain file.", expected=_EXPECTED)
        yield member.name, content


def _write(members: Iterator[_Member], folder: Path, what: str) -> None:
    folder.mkdir()
    for name, content in members:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise BundleError(f"{what} holds {name}, which leads out of its folder.", expected=_EXPECTED)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with content, target.open("xb") as file:
            shutil.copyfileobj(content, file)


def _bundle_in(folder: Path, what: str) -> Path:
    found = [
        path.parent for path in (folder, *folder.iterdir()) for path in (path / _MANIFEST,) if path.is_file()
    ]
    if len(found) != 1:
        raise BundleError(
            f"{what} holds {len(found) or 'no'} bundle{'s' if found else ''}.",
            expected=f"{_MANIFEST} at its top, or in one folder",
        )
    return found[0]
