"""Where results go: palette PNGs, an overlay video, a JSON-lines trace."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import cv2
import numpy as np

from ermu.errors import SinkError

from .files import unwritable
from .group import MemoryUpdate
from .labels import write_label_map
from .overlay import draw_overlay
from .segmenter import FrameResult
from .sources import Frame


class Sink(ABC):
    """Takes every frame with its result; a context manager that leaves whole files behind."""

    @abstractmethod
    def write(self, frame: Frame, result: FrameResult) -> None:
        """Takes one frame.

        Raises:
            SinkError: it cannot be written; what was written before stays.
        """

    def close(self) -> None:
        """Finishes the files."""

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LabelSink(Sink):
    """One palette PNG a frame at source size: `<folder>/<name>.png`."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def write(self, frame: Frame, result: FrameResult) -> None:
        write_label_map(self._folder / f"{frame.name}.png", result.label)


class OverlaySink(Sink):
    """An MP4 video of the frames with their objects drawn in."""

    def __init__(self, path: Path, fps: float) -> None:
        make_folder(path.parent)
        self._path, self._fps = path, fps
        self._part = path.with_name(f".{path.stem}.part.mp4")
        self._writer: cv2.VideoWriter | None = None

    def write(self, frame: Frame, result: FrameResult) -> None:
        if self._writer is None:
            size = frame.image.shape[1], frame.image.shape[0]
            self._writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, size)
            if not self._writer.isOpened():
                raise SinkError(f"Cannot write the video {self._path}.", fix="choose another path or free some space")
        self._writer.write(draw_overlay(frame.image, result.label))

    def close(self) -> None:
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        try:
            self._part.replace(self._path)
        except OSError as error:
            raise unwritable(self._path, error) from error


class TraceSink(Sink):
    """One JSON object a line and frame: memory, evictions, scores and times; every line is flushed."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        try:
            self._file: TextIO = path.open("w", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from error

    def write(self, frame: Frame, result: FrameResult) -> None:
        try:
            self._file.write(json.dumps(trace_record(frame, result)) + "\n")
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise unwritable(self._path, error) from error


def trace_record(frame: Frame, result: FrameResult) -> dict[str, Any]:
    """A frame's line in the trace; with several groups, `groups` repeats the memory fields for each."""
    groups = [_memory_record(update) for update in result.memory]
    record = {"frame": result.frame, "name": frame.name, **(groups[0] if groups else {})}
    if len(groups) > 1:
        record["groups"] = groups
    return {**record, "ms": {stage: round(ms, 3) for stage, ms in result.ms.items()}}


def _memory_record(update: MemoryUpdate) -> dict[str, Any]:
    decision = update.decision
    return {
        "memory_frames": update.frames,
        "evicted": update.evicted,
        "relevance": _numbers(decision.relevance),
        "relevance_mean": _numbers(decision.relevance_mean),
        "redundancy": _numbers(decision.redundancy),
        "scores": _numbers(decision.scores),
    }


def _numbers(vector: np.ndarray[Any, Any] | None) -> list[float] | None:
    return None if vector is None else [round(float(x), 8) for x in vector]


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


def claim_folder(folder: Path, *, overwrite: bool) -> Path:
    """A folder for results: empty, new, or the user's to overwrite.

    Raises:
        SinkError: it is not empty and `overwrite` is not set, or it is not a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is a file.", expected="a folder for the results")
    if folder.is_dir() and not overwrite and any(os.scandir(folder)):
        raise SinkError(
            f"The output folder {folder} is not empty.", fix="choose another --out, or pass --overwrite"
        )
    return make_folder(folder)
