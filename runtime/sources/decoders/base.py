"""A decoder: the frames of one video file, with their times, and what became of those that were promised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from ermu.runtime.files import shown
from ermu.runtime.images.frames import Picture
from ermu.runtime.sources.base import DEFAULT_FPS, Frame


class VideoDecoder(ABC):
    """Decodes a file from its first frame whenever it is iterated.

    Args:
        path: Of the file.

    Attributes:
        device: Where it decodes: `cpu`, or `cuda`, `cuda:1` and so on; may be set before it is iterated.
        stays_on: The GPU on which pictures are wanted, where it decodes them; `cpu` for none. Likewise.
        fps: Nominal frames a second.
        total_frames: Number of frames that the file promises, None where it does not say.
        missing: Promised frames that did not come, known at the end of an iteration.

    Raises:
        SourceError: the file cannot be opened, or has no video.
    """

    device: str = "cpu"
    stays_on: str = "cpu"
    fps: float = DEFAULT_FPS
    total_frames: int | None = None
    missing: int = 0

    def __init__(self, path: Path) -> None:
        self._path, self._shown = path, shown(path)

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...


class FrameClock:
    """Times of frames by their presentation stamps, from the first one on; they never go back."""

    def __init__(self, fps: float) -> None:
        self._period = 1 / fps
        self._first: float | None = None
        self._latest: float | None = None

    def frame(self, index: int, image: Picture, stamp: float | None, *, damaged: int = 0) -> Frame:
        """A frame shown at `stamp`, in seconds; where there is none, a period after the one before."""
        if self._first is None:
            self._first = stamp
        if stamp is None or self._first is None:
            time = 0.0 if self._latest is None else self._latest + self._period
        else:
            time = stamp - self._first
        self._latest = time if self._latest is None else max(time, self._latest)
        return Frame(index, f"{index:05d}", image, time=self._latest, damaged=damaged)
