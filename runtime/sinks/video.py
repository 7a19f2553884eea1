"""Overlay videos on the disk: frames at their own times, playable up to the last second however it ends."""

from __future__ import annotations

from fractions import Fraction
from io import SEEK_CUR, SEEK_END
from pathlib import Path
from typing import Any, Protocol

import cv2

from ermu.errors import SinkError
from ermu.runtime.files import is_unicode, shown
from ermu.types import Image

MARK = "ermu overlay"  # the comment of every video that an overlay sink writes
_HEAD = 4096  # bytes: the comment stands in the first fragment's head
_TICKS = 90_000  # a second
_MOST_TICKS = 2**31  # between two frames, as a fragment tells it: six hours, after which the video goes on
_FRAGMENT_MICROSECONDS = 500_000


class Video(Protocol):
    """A video that is being written."""

    def add(self, image: Image, seconds: float) -> None:
        """Appends a frame.

        Args:
            image: BGR uint8 H x W x 3, of the video's size.
            seconds: When it is shown, later than the one before.

        Raises:
            OSError: it cannot be written; what came before stays, and plays.
        """

    def finish(self) -> None:
        """Ends the file; raises as `add`."""


def has_pyav() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def is_own_video(path: Path) -> bool:
    """Whether an overlay sink wrote the file."""
    try:
        with path.open("rb") as file:
            return MARK.encode() in file.read(_HEAD)
    except OSError:
        return False


class FragmentedVideo:
    """H.264 in MP4 by libx264 through PyAV, in fragments of half a second: each is on the disk when it ends.

    The encoder holds nothing back (no frames predicted from later ones), so a killed process loses what
    came after the last fragment. One that ends in good order leaves an ordinary MP4 with an index, unless it
    is endless: that index is kept in memory meanwhile, 6 MB an hour at 25 frames a second.

    Args:
        path: Of the file.
        fps: Nominal, for the encoder's bit rate and key frames.
        size: Width and height, even.
        endless: Keep no index.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int], *, endless: bool) -> None:
        import av

        self._spool = _Spool(path)
        flags = "frag_keyframe+empty_moov+default_base_moof" if endless else "hybrid_fragmented"
        options = {"movflags": flags, "frag_duration": str(_FRAGMENT_MICROSECONDS), "flush_packets": "1"}
        self._container = av.open(self._spool, "w", format="mp4", options=options)
        self._container.metadata["comment"] = MARK
        rate = Fraction(fps).limit_denominator(1001)
        stream: Any = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        keys = max(1, round(2 * fps))
        stream.options = {"preset": "veryfast", "crf": "20", "tune": "zerolatency", "g": str(keys)}
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._ticks, self._left_out = -1, 0

    def add(self, image: Image, seconds: float) -> None:
        """See `Video.add`."""
        import av

        ticks = max(round(_TICKS * seconds) - self._left_out, self._ticks + 1)
        too_long = max(0, ticks - self._ticks - _MOST_TICKS)
        self._left_out += too_long
        self._ticks = ticks - too_long
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts, frame.time_base = self._ticks, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))
        self._spool.commit()

    def finish(self) -> None:
        """See `Video.finish`."""
        try:
            try:
                self._container.mux(self._stream.encode())
                self._spool.commit()
            finally:
                self._container.close()
            self._spool.commit()
        finally:
            self._spool.close()


class _Spool:
    """What FFmpeg writes, put on the disk whole or not at all at each `commit`, appended parts first.

    An MP4's index goes behind its fragments and is then pointed to from their beginning: where the disk is
    full in between, the file is what it was.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self.name = str(path)
        self._at = self._size = self._whole = 0
        self._parts: list[tuple[int, bytes]] = []
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        self._parts.append((self._at, bytes(data)))
        self._at += len(data)
        self._size = max(self._size, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {SEEK_CUR: self._at, SEEK_END: self._size}.get(whence, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def commit(self) -> None:
        """Writes what has come since the last time.

        Raises:
            OSError: there is no room; the file is as it was after the last time, and stays so.
        """
        if self._error is not None:
            raise self._error
        parts, self._parts = self._parts, []
        try:
            for at, data in sorted(parts, key=lambda part: part[0] < self._whole):
                self._put(at, data)
        except OSError as error:
            self._file.truncate(self._whole)
            self._error = error
            raise
        self._whole = self._size

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    def close(self) -> None:
        self._file.close()


class ConstantVideo:
    """MPEG-4 Part 2 through OpenCV, where PyAV is missing: at a constant rate, whole once it is finished.

    Args:
        path: Of the file.
        fps: Of the video.
        size: Width and height.

    Raises:
        SinkError: it cannot be created.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        if not is_unicode(path):  # OpenCV would end the process
            raise SinkError(
                f"OpenCV cannot write {shown(path)}: its name is not UTF-8.",
                fix="choose another path, or pip install av",
            )
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        if not self._writer.isOpened():
            raise SinkError(
                f"Cannot write the video {path.parent}.", fix="choose another path or free some space"
            )

    def add(self, image: Image, seconds: float) -> None:
        """See `Video.add`."""
        self._writer.write(image)

    def finish(self) -> None:
        """See `Video.finish`."""
        self._writer.release()
