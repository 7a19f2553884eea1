"""An overlay video: the frames with their objects drawn in, as H.264 where PyAV is installed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2

from ermu.errors import SinkError
from ermu.runtime.files import is_unicode, shown, unwritable
from ermu.runtime.images.overlay import draw_overlay
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext, make_folder, needed_target
from ermu.runtime.sources.base import Frame
from ermu.types import Image


class OverlaySink(Sink):
    """An MP4 video under its final name only when it is whole.

    H.264, which browsers play, needs PyAV (extra `live`; its wheel bundles GPL x264); OpenCV alone writes
    MPEG-4 Part 2. A frame of another size than the first is fitted in.

    Args:
        path: Ending in .mp4.
        fps: Of the video.
    """

    name = "overlay"
    help = "an MP4 video with the objects drawn in"

    def __init__(self, path: Path, fps: float) -> None:
        make_folder(path.parent)
        self._path, self._fps = path, fps
        self._part = path.with_name(f".{path.name}.part.mp4")
        self._writer: _Writer | None = None
        self._size = (0, 0)

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> OverlaySink:
        """See `Sink.open`."""
        return cls(cls.output(target, context), context.fps)

    @classmethod
    def output(cls, target: str | None, context: SinkContext) -> Path:
        """See `Sink.output`."""
        return context.path(needed_target(target, cls.name, "overlay.mp4"))

    def write(self, frame: Frame, result: FrameResult) -> None:
        image = draw_overlay(frame.image, result.label)
        if self._writer is None:
            self._size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
            self._writer = self._open()
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size).astype(image.dtype, copy=False)
        try:
            self._writer.add(image)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            writer.finish()
            self._part.replace(self._path)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise unwritable(self._path, error) from error

    def _open(self) -> _Writer:
        try:
            import av  # noqa: F401
        except ImportError:
            return _Mpeg4Writer(self._part, self._fps, self._size)
        try:
            return _H264Writer(self._part, self._fps, self._size)
        except OSError as error:
            raise unwritable(self._path, error) from error


class _Writer(Protocol):
    def add(self, image: Image) -> None: ...

    def finish(self) -> None: ...


class _H264Writer:
    """libx264 through PyAV, whose errors are OSErrors."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        import av

        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        rate = Fraction(fps).limit_denominator(1001)
        stream: Any = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        stream.codec_context.thread_count = 1
        self._stream = stream

    def add(self, image: Image) -> None:
        import av

        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))

    def finish(self) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()


class _Mpeg4Writer:
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

    def add(self, image: Image) -> None:
        self._writer.write(image)

    def finish(self) -> None:
        self._writer.release()


PLUGIN = OverlaySink
