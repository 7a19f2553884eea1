"""The paths that a command reads and writes, checked before it touches any of them."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ermu.errors import OptionError, SinkError

_ALWAYS = "choose another path for the output"


@dataclass(frozen=True)
class _Place:
    """A path and what it is for.

    Attributes:
        what: `the source`, `the trace`.
        path: As the user wrote it.
        whole: Of an input folder: everything below it counts, not its own files alone. Of an output: a
            folder for files whose names are known later.
        kept: Of an output: what is there stays as it is, and is gone on with.
    """

    what: str
    path: Path
    whole: bool = False
    kept: bool = False

    @property
    def real(self) -> Path:
        """With every link followed."""
        return Path(os.path.realpath(self.path))

    def is_same(self, other: _Place) -> bool:
        """Whether both are one file or folder, by whatever names."""
        try:
            return self.real == other.real or self.path.samefile(other.path)
        except OSError:  # one of them is not there
            return False

    def lies_in(self, other: _Place) -> bool:
        return other.real in self.real.parents


class Paths:
    """Inputs and outputs of a command: all are told, then `check` refuses what would cost the user a file.

    Args:
        overwrite: Whether the user gave files free that exist; an input is never given free.
        option: That gives them free.
    """

    def __init__(self, *, overwrite: bool = False, option: str = "--overwrite") -> None:
        self._overwrite, self._option = overwrite, option
        self._inputs: list[_Place] = []
        self._outputs: list[_Place] = []

    def reads(self, what: str, where: str | Path | None, *, whole: bool = False) -> None:
        """An input; one that is not on the disk (a camera, an address, a scene) does not count.

        Args:
            what: `the source`.
            where: A file, a folder or a glob.
            whole: Of a folder: all that lies below it is read, at any depth.
        """
        text = "" if where is None else str(where)
        found = [text] if os.path.exists(text) else glob.glob(text) if glob.has_magic(text) else []  # noqa: PTH110, PTH207
        self._inputs += [_Place(what, Path(name), whole) for name in found]

    def reads_bundle(self, bundle: str | Path) -> None:
        """A bundle's folder, or its archive on this machine; names and other addresses do not count."""
        if Path(bundle, "manifest.json").is_file():
            self.reads("the bundle", bundle, whole=True)
        elif (address := urlsplit(str(bundle))).scheme == "file":
            self.reads("the bundle", unquote(address.path))

    @property
    def folders(self) -> list[Path]:
        """The outputs that are folders in which files will be replaced."""
        return [output.path for output in self._outputs if output.whole and not output.kept]

    def writes(self, what: str, path: Path | None, *, folder: bool = False, kept: bool = False) -> None:
        """An output.

        Args:
            what: `the trace`.
            path: A file, or with `folder` one that gets files whose names are known later.
            folder: See `path`.
            kept: What is there stays: the output goes behind it, or beside it.
        """
        if path is not None and Path("/dev") not in path.parents:
            self._outputs.append(_Place(what, path, folder, kept))

    def check(self) -> None:
        """Looks at all of them; reads no file's content and writes nothing.

        Raises:
            OptionError: an output is, or lies in, an input, or two outputs are one file.
            SinkError: an output exists, and may not be overwritten.
        """
        for place, output in enumerate(self._outputs):
            for known in self._inputs:
                _keep(known, output)
            for other in self._outputs[:place]:
                _keep_apart(other, output)
            self._look_at(output)

    def _look_at(self, output: _Place) -> None:
        from ermu.runtime.sinks.base import refuse_filled

        if output.whole:
            refuse_filled(output.path, overwrite=self._overwrite or output.kept, option=self._option)
        elif output.path.is_dir():
            raise SinkError(f"{output.path} is a folder.", expected=f"a file for {output.what}")
        elif output.path.is_file() and not (self._overwrite or output.kept):
            raise SinkError(
                f"{output.path} exists already, and {output.what} would be written over it.",
                fix=f"choose another path, or pass {self._option}",
            )


def _keep(known: _Place, output: _Place) -> None:
    """Refuses an output that would change an input."""
    if output.is_same(known):
        problem = f"{_upper(output.what)} would be written over {known.what}: {output.path}."
    elif output.whole and known.lies_in(output):
        problem = f"{_upper(known.what)} {known.path} lies among {output.what}: {output.path}."
    elif _holds_part_of(known, output):
        problem = f"{_upper(output.what)} would be written over a part of {known.what}: {output.path}."
    else:
        return
    raise OptionError(problem, expected="outputs that are no inputs", fix=_ALWAYS)


def _holds_part_of(known: _Place, output: _Place) -> bool:
    """Whether what an output would replace is a part of an input folder."""
    within = output.lies_in(known) if known.whole else output.real.parent == known.real
    if output.whole:
        return known.whole and within and output.path.is_dir() and any(os.scandir(output.path))
    return within and output.path.is_file()


def _keep_apart(first: _Place, second: _Place) -> None:
    """Refuses two outputs in one file."""
    mixed = any(
        inner.lies_in(outer) and (not outer.whole or inner.path.suffix.lower() == ".png")
        for inner, outer in ((first, second), (second, first))
    )
    if mixed or first.is_same(second):
        raise OptionError(
            f"{_upper(first.what)} and {second.what} would be written into one file: {second.path}.",
            expected="a path of its own for every output",
            fix=_ALWAYS,
        )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
