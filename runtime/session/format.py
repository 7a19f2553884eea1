"""A session's file: an .npz of arrays with a JSON head, checksummed, without pickle (`docs/sessions.md`)."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ermu.errors import SessionError
from ermu.runtime.files import replace_atomically
from ermu.types import Array

FORMAT, VERSION = "ermu-session", 1
HEAD = "head.json"
_ZIP_BEGINS = b"PK\x03\x04"
_MOST_HEAD, _MOST_ROOM = 64 << 20, 256 << 20  # bytes: of the head; of arrays beyond 20 times the file
_NPY_HEAD = 4096
_PROBE = 4096  # numbers that are looked at before all are
_KINDS = ("u1", "u2", "i1", "f2", "f4")
_AGAIN = "begin the stream anew, or restore an earlier copy of the file"


def write_file(path: Path, head: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Writes a session, whole or not at all.

    Args:
        path: Of the file.
        head: Ready for JSON.
        arrays: By name.

    Raises:
        SinkError: the disk is full or the folder cannot be written; what was there is as it was.
    """
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        write(file, head, arrays)
        file.flush()
        os.fsync(file.fileno())


def write(file: BinaryIO, head: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Writes a session to an open file; arguments as `write_file`."""
    stored = {name: _narrowed(array) for name, array in arrays.items()}
    described = {
        name: {"dtype": arrays[name].dtype.str, "stored": array.dtype.str, "shape": list(array.shape)}
        for name, array in stored.items()
    }
    said = {"format": FORMAT, "version": VERSION, "head": head, "arrays": described}
    said["sha256"] = _digest(said, stored)
    with zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        with archive.open(_member(HEAD, zipfile.ZIP_DEFLATED), "w") as member:
            member.write(json.dumps(said).encode())
        for name, array in stored.items():
            # Pictures and label maps shrink, floating-point numbers do not.
            packing = zipfile.ZIP_DEFLATED if array.dtype == np.uint8 else zipfile.ZIP_STORED
            with archive.open(_member(f"{name}.npy", packing), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _member(name: str, packing: int) -> zipfile.ZipInfo:
    """Without a date: what is the same is the same file."""
    info = zipfile.ZipInfo(name)
    info.compress_type = packing
    return info


def read_file(path: Path, name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Head and arrays of a session, every byte of them checked.

    Args:
        path: Of the file.
        name: What errors call it.

    Raises:
        SessionError: there is none, or it is truncated, altered, foreign or of another version.
    """
    try:
        with path.open("rb") as file:
            return _read(file, name)
    except FileNotFoundError as error:
        raise SessionError(f"There is no session at {name}.", fix="save one first") from error
    except OSError as error:
        raise SessionError(f"{name} cannot be read: {error.strerror or error}.") from error


def _read(file: BinaryIO, name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    begin = file.read(len(_ZIP_BEGINS))
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not zipfile.is_zipfile(file):
        if begin in (b"", _ZIP_BEGINS):
            raise SessionError(
                f"{name} is truncated: it ends after {size} bytes.", expected="a whole file", fix=_AGAIN
            )
        raise _foreign(name)
    try:
        with zipfile.ZipFile(file) as archive:
            said = _said(archive, name)
            arrays = _arrays(archive, said, size, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
        raise _altered(name) from error
    if _digest({key: said[key] for key in said if key != "sha256"}, arrays) != said.get("sha256"):
        raise _altered(name)
    widened = {key: array.astype(said["arrays"][key]["dtype"], copy=False) for key, array in arrays.items()}
    return said["head"], widened


def _said(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """The head, as far as this release can read it."""
    if HEAD not in archive.namelist() or archive.getinfo(HEAD).file_size > _MOST_HEAD:
        raise _foreign(name)
    said = json.loads(archive.read(HEAD))
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise _foreign(name)
    version = said.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise SessionError(
            f"{name} has session format version {version!r}.",
            expected=f"version {VERSION}, the one that this release of ermu writes and reads",
            fix="update ermu here: a newer release wrote it" if newer else _AGAIN,
        )
    return said


def _arrays(archive: zipfile.ZipFile, said: dict[str, Any], size: int, name: str) -> dict[str, Array]:
    """The arrays as they are stored; how large they are is known before any is unpacked."""
    room, arrays = 20 * size + _MOST_ROOM, {}
    for key, described in said["arrays"].items():
        info = archive.getinfo(f"{key}.npy")
        dtype, shape = np.dtype(described["stored"]), tuple(described["shape"])
        room -= info.file_size
        fits = info.file_size <= _NPY_HEAD + dtype.itemsize * _count(shape)
        if dtype.str[1:] not in _KINDS or not fits or room < 0:
            raise _altered(name)
        array = np.lib.format.read_array(BytesIO(archive.read(info)), allow_pickle=False)
        if (array.dtype, array.shape) != (dtype, shape):
            raise _altered(name)
        arrays[key] = array
    return arrays


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def _digest(said: Mapping[str, Any], stored: Mapping[str, Array]) -> str:
    """SHA-256 of the head, in JSON with sorted keys, and of every array's bytes in the order of names."""
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(stored):
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(stored[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _narrowed(array: Array) -> Array:
    """In half precision, where that changes no bit."""
    if array.dtype != np.float32 or not _same_in_half(array.reshape(-1)[:_PROBE]) or not _same_in_half(array):
        return array
    return array.astype(np.float16)


def _same_in_half(array: Array) -> bool:
    with np.errstate(over="ignore"):
        again = array.astype(np.float16).astype(np.float32)
    return bool(np.array_equal(again.view(np.uint32), np.ascontiguousarray(array).view(np.uint32)))


def _foreign(name: str) -> SessionError:
    return SessionError(
        f"{name} is not a session.",
        expected="a file that `save`, --save-session or --sessions has written, or GET .../session has given",
        fix="save one first",
    )


def _altered(name: str) -> SessionError:
    return SessionError(
        f"{name} has been altered or damaged: its contents do not have its checksum.",
        expected="the file as it was written",
        fix=_AGAIN,
    )
