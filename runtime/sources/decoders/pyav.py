"""Video files through PyAV: presentation stamps, damaged frames, and why a file cannot be opened."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from ermu.errors import SourceError
from ermu.runtime.images.frames import Picture
from ermu.runtime.sources.base import DEFAULT_FPS, Frame
from ermu.runtime.sources.decoders.base import FrameClock, VideoDecoder
from ermu.runtime.sources.decoders.hardware import Decoding, GpuFailedError, on_gpu, opened
from ermu.runtime.sources.decoders.witness import Witness
from ermu.types import Image

logger = logging.getLogger("ermu.sources")

_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_NO_VIDEO = ("tty",)  # FFmpeg draws text files


class PyavDecoder(VideoDecoder):
    """FFmpeg through PyAV, whose wheels bring one FFmpeg for files and streams."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._opened() as (container, stream, _):
            self.fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
            self._promise = _promise(container, stream, self.fps)
        self.total_frames = self._promise.frames

    def __iter__(self) -> Iterator[Frame]:
        self.missing = done = 0
        clock, device = FrameClock(self.fps), self.device
        while True:
            try:
                for frame in self._decoded(device, clock, done):
                    done += 1
                    yield frame
                return
            except GpuFailedError as error:
                text = "%s is decoded on the CPU from frame %d on: %s"
                logger.warning(text, self._shown, done, error.problem)
                device = "cpu"

    def _decoded(self, device: str, clock: FrameClock, first: int) -> Iterator[Frame]:
        """The frames from the `first` on, decoded from the beginning all the same."""
        with self._opened(device) as (container, stream, decoding):
            if not on_gpu(stream):
                stream.thread_type = "AUTO"
            index, reading = 0, _Reading(container, stream, decoding)
            unstamped = container.format.name == "avi"  # which tells the order of decoding alone
            for frame, damaged in reading.frames():
                if index >= first:
                    picture = _upright(decoding, frame, partial(self._again, index, frame.pts))
                    stamp = None if unstamped and stream.codec_context.has_b_frames else frame.time
                    yield clock.frame(index, picture, stamp, damaged=damaged)
                index += 1
        self.missing = self._missing(reading, index)

    def _again(self, index: int, stamp: int | None) -> Image:
        """A frame's picture once more, by the CPU: found by its stamp, without one by its number."""
        with self._opened("cpu") as (container, stream, decoding):
            if stamp is not None:
                container.seek(stamp, stream=stream)
            for number, frame in enumerate(container.decode(stream)):
                if frame.pts == stamp and (stamp is not None or number == index):
                    return decoding.image(frame)
        raise SourceError(
            f"{self._shown}: a picture that the GPU has lost is not found again.", fix="--decode cpu"
        )

    def _missing(self, reading: _Reading, frames: int) -> int:
        """Frames that were promised and did not come: by their number and by the time that they fill."""
        promise = self._promise
        few = promise.frames is not None and reading.packets < promise.frames
        early = promise.end is not None and reading.end + 1.5 / self.fps < promise.end
        if few and early:
            return max((promise.frames or 0) - frames, 1)
        return reading.lost

    @contextmanager
    def _opened(self, device: str = "cpu") -> Iterator[tuple[Any, Any, Decoding]]:
        by_gpu = False
        try:
            path = str(self._path)
            with opened(path, device, self._shown, stays_on=self.stays_on) as (container, decoding):
                stream = container.streams.best("video")
                by_gpu = stream is not None and on_gpu(stream)
                if stream is None or container.format.name in _NO_VIDEO:
                    raise SourceError(f"{self._shown} has no video.", expected="a file with a video stream")
                yield container, stream, decoding
        except av.FFmpegError as error:
            if by_gpu:
                raise GpuFailedError(f"{device} has failed ({error.strerror}).") from error
            raise SourceError(
                f"The video {self._shown} cannot be opened: {error.strerror or type(error).__name__}.",
                expected="a file that FFmpeg can decode",
                fix="check that it is a whole video file, or convert it to MP4",
            ) from error


@dataclass(frozen=True)
class _Promise:
    """What a file's header says is in it, None where it does not.

    Attributes:
        frames: Their number.
        end: Seconds at which the last one ends.
    """

    frames: int | None = None
    end: float | None = None


def _promise(container: Any, stream: Any, fps: float) -> _Promise:
    """Only of formats that write it down; elsewhere FFmpeg estimates from the bit rate."""
    kind = container.format.name
    begin = float((stream.start_time or 0) * stream.time_base)
    length = None if stream.duration is None else float(stream.duration * stream.time_base)
    if kind.startswith("mov"):  # with an edit list, the index holds what is left of the file
        index = getattr(stream, "index_entries", ())  # older PyAV shows none
        return _Promise(len(index) or stream.frames or None, None if length is None else begin + length)
    if kind == "avi":
        return _Promise(stream.frames or None, None if length is None else begin + length)
    if kind.startswith("matroska"):
        end = _tagged_duration(stream.metadata)
        if end is None and container.duration and len(container.streams) == 1:
            end = container.duration / av.time_base
        return _Promise(None if end is None else round((end - begin) * fps), end)
    return _Promise(stream.frames or None)


def _tagged_duration(tags: dict[str, str]) -> float | None:
    found = _DURATION.match(next((tags[name] for name in tags if name.upper() == "DURATION"), ""))
    if not found:
        return None
    hours, minutes, seconds = map(float, found.groups())
    return 3600 * hours + 60 * minutes + seconds


class _Reading:
    """One pass through a file.

    Attributes:
        packets: Read so far.
        end: Seconds at which the last of them ends.
        lost: Frames at the file's end that could not be decoded or read.
    """

    def __init__(self, container: Any, stream: Any, decoding: Decoding) -> None:
        self._container, self._stream, self._decoding = container, stream, decoding
        self._witness = Witness(stream)
        self._torn: set[int] = set()  # stamps of packets of which the container misses a part
        self.packets = self.lost = 0
        self.end = 0.0

    def frames(self) -> Iterator[tuple[Any, int]]:
        """Each frame, and how many are damaged with it: itself, those before it that did not come.

        What is wrong stays in the frames that are predicted from it, up to the next key frame. A witness
        tells frame by frame.
        """
        spoilt = False
        for packet in self._read():
            try:
                with self._decoding.turn():
                    decoded = packet.decode()
            except av.InvalidDataError:
                self.lost += 1
                continue
            for frame in decoded:
                torn = frame.is_corrupt or frame.pts in self._torn
                wrong = self._witness.objects_to(frame) or torn
                spoilt = wrong or (not frame.key_frame and (spoilt or self.lost > 0))
                yield frame, self.lost + (wrong if self._witness.is_there else spoilt)
                self.lost = 0

    def _read(self) -> Iterator[Any]:
        """Packets, the last one to flush the decoder; a file that breaks off ends there."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    self._count(packet)
                    self._witness.look(packet)
                yield packet
        except av.InvalidDataError:
            yield _Flush(self._stream)
            self.lost += 1

    def _count(self, packet: Any) -> None:
        self.packets += 1
        if packet.is_corrupt:
            self._torn.add(packet.pts)
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            self.end = max(self.end, float((stamp + (packet.duration or 0)) * packet.time_base))


class _Flush:
    """In place of the empty packet that ends a whole file."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def decode(self) -> list[Any]:
        return list(self._stream.codec_context.decode(None))


def _upright(decoding: Decoding, frame: Any, again: Callable[[], Image]) -> Picture:
    """A frame's picture, turned as its file says; only quarter turns are, and those on the host."""
    if not frame.rotation:
        return decoding.picture(frame, again)
    return np.ascontiguousarray(np.rot90(decoding.image(frame), round(frame.rotation / 90)))
