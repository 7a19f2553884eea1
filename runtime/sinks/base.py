"""A sink: something that takes every frame with its result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ermu.closing import Closing
from ermu.errors import OptionError, SinkError
from ermu.runtime.files import unwritable
from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame


@dataclass(frozen=True)
class SinkContext:
    """What a sink may have to know of the stream that it is opened for.

    Attributes:
        fps: Nominal frames a second.
        stream: The stream's name where there are several, which then is part of every file's name.
        name: The stream's name.
        live: Whether the stream comes when it comes: a restarted one goes on, behind or beside its files.
        overwrite: Whether the user gave files free that exist.
        segment_seconds: Begin a file anew after so long, each named after the time it begins; None, never.
        keep_days: Remove files that a sink wrote so long ago, when the next one begins; None, keep all.

    Raises:
        OptionError: a time is not positive, or files are to be removed where there is one alone.
    """

    fps: float
    stream: str | None = None
    name: str = "0"
    live: bool = False
    overwrite: bool = False
    segment_seconds: float | None = None
    keep_days: float | None = None

    def __post_init__(self) -> None:
        for option in ("segment_seconds", "keep_days"):
            value = getattr(self, option)
            if value is not None and not value > 0:
                raise OptionError(f"{option} is {value}.", expected="more than 0")
        if self.keep_days is not None and self.segment_seconds is None:
            raise OptionError(
                "One file for the whole stream cannot be removed in parts.",
                fix="pass --segment-seconds with --keep-days",
            )

    @property
    def goes_on(self) -> bool:
        """Whether what an earlier run wrote stays, and this one writes behind or beside it."""
        return self.live and not self.overwrite

    def path(self, target: str) -> Path:
        """The file to write, with the stream's name in it where there are several."""
        path = Path(target)
        return path.with_stem(f"{path.stem}-{self.stream}") if self.stream else path


class Sink(Closing, ABC):
    """Takes frames with their results; a context manager that leaves whole files behind.

    A kind of sink is a subclass in a module of its own (`ermu.runtime.sinks.kinds`), or in another package.

    Attributes:
        name: For tables and messages.
        help: In a line: what it writes, and what its target is.
        fills_folder: Whether its `output` is a folder for files whose names are known later.
        is_view: Somebody looks at it: it may be given a frame that waits to be drawn on, and then again.
    """

    name: str = "sink"
    help: str = ""
    fills_folder: bool = False
    is_view: bool = False

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> Sink:
        """A sink as the command line asks for it: `--sink NAME=TARGET`; without arguments, it needs no own.

        Args:
            target: What is behind the `=`; None where there is none.
            context: Of the stream.

        Raises:
            OptionError: a target is needed, or cannot be used.
            SinkError: it cannot be written.
        """
        if target is not None:
            raise OptionError(f"The sink {cls.name} takes no target, and was given '{target}'.")
        return cls()

    @classmethod
    def output(cls, target: str | None, context: SinkContext) -> Path | None:
        """The file that `open` would write there, None where it writes none; nothing is created.

        The command line asks for it before it begins, and refuses a path that exists or is an input.

        Raises:
            OptionError: a target is needed.
        """
        return None

    @classmethod
    def keeps(cls, output: Path, context: SinkContext) -> bool:
        """Whether `open` leaves what is at its `output` as it is: it writes behind it, or beside it."""
        return False

    @property
    def problem(self) -> str | None:
        """What keeps it from delivering just now, without secrets; it goes on and tries again."""
        return None

    @abstractmethod
    def write(self, frame: Frame, result: FrameResult) -> None:
        """Takes one frame.

        Raises:
            SinkError: it cannot be written; what was written before stays.
        """

    def close(self) -> None:
        """Finishes the files; closing twice is harmless.

        Raises:
            SinkError: they cannot be finished.
        """
        return


def make_folder(folder: Path) -> Path:
    """Creates a folder where there is none.

    Raises:
        SinkError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def unused(path: Path) -> Path:
    """The path, or `<stem>-2<suffix>`, `-3`, ...: the first where there is nothing, or an empty folder."""
    for number in count(1):
        candidate = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        if not candidate.exists() or (candidate.is_dir() and not any(candidate.iterdir())):
            return candidate
    raise AssertionError  # numbers do not end


def output_folder(folder: Path, *, overwrite: bool) -> Path:
    """A folder for results: empty, new, or the user's to overwrite; created where there is none.

    Raises:
        SinkError: as `refuse_filled`, or it cannot be created.
    """
    refuse_filled(folder, overwrite=overwrite)
    return make_folder(folder)


def refuse_filled(folder: Path, *, overwrite: bool, option: str = "--overwrite") -> None:
    """Makes sure that a folder for results is new or empty, or the user's to overwrite.

    Folders without a file are empty too: what a run leaves that failed on its first frame.

    Raises:
        SinkError: it is not empty and `overwrite` is not set, or it is not a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is a file.", expected="a folder for the results")
    held = (path.is_symlink() or not path.is_dir() for path in folder.rglob("*"))
    if folder.is_dir() and not overwrite and any(held):
        raise SinkError(
            f"The output folder {folder} is not empty.", fix=f"choose another --out, or pass {option}"
        )


def needed_target(target: str | None, sink: str, example: str) -> str:
    """The target, where there is one; raises `OptionError` where it is missing."""
    if not target:
        raise OptionError(f"The sink {sink} needs a target.", fix=f"--sink {sink}={example}")
    return target
