"""An overlay video: the frames with their objects drawn in, as H.264 where PyAV is installed."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2

from ermu.errors import DependencyError, StateError
from ermu.runtime.files import shown, unwritable
from ermu.runtime.images.overlay import draw_overlay
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext, make_folder, needed_target
from ermu.runtime.sinks.output_files import OutputFiles
from ermu.runtime.sinks.video import ConstantVideo, FragmentedVideo, Video, has_pyav, is_own_video
from ermu.runtime.sources.base import Frame

logger = logging.getLogger("ermu.sinks")


class OverlaySink(Sink):
    """An MP4 video in which every frame is shown at its own time.

    It plays up to the last second, also where the process is killed or the disk is full. H.264 needs PyAV
    (every extra that runs bundles brings it; its wheel bundles GPL x264); OpenCV alone writes MPEG-4 Part 2,
    at a constant rate and whole only at the end. A frame of another size than the file's first is fitted in.

    Args:
        path: Ending in .mp4.
        context: Of the stream.

    Raises:
        SinkError: its folder cannot be made.
        DependencyError: segments are wanted, and PyAV is missing.
    """

    name = "overlay"
    help = "an MP4 video with the objects drawn in"

    def __init__(self, path: Path, context: SinkContext) -> None:
        make_folder(path.parent)
        self._path, self._context = path, context
        self._files = OutputFiles(path, context, is_own_video)
        self._video: Video | None = None
        self._size = (0, 0)
        self._began = 0.0
        self._shown: float | None = None
        self._closed = False
        if not has_pyav():
            if self._files.segmented:
                raise DependencyError("av", "An overlay in segments", "live")
            logger.warning("Without PyAV an overlay has a constant rate, and is lost with a killed process.")

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> OverlaySink:
        """See `Sink.open`."""
        return cls(cls.output(target, context), context)

    @classmethod
    def output(cls, target: str | None, context: SinkContext) -> Path:
        """See `Sink.output`."""
        return context.path(needed_target(target, cls.name, "overlay.mp4"))

    @classmethod
    def keeps(cls, output: Path, context: SinkContext) -> bool:
        """See `Sink.keeps`: a restarted stream writes a file with a number."""
        return context.goes_on or context.segment_seconds is not None

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `Sink.write`."""
        if self._closed:
            raise StateError(f"{shown(self._path)} has been finished.", fix="open another sink")
        image = draw_overlay(frame.image, result.label)
        segment = self._files.turn(frame.time)
        if segment is not None or self._video is None:
            self._finish()
            self._path = segment or self._files.beside()
            self._size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
            self._began, self._shown = frame.time, None
            self._video = self._begin()
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size).astype(image.dtype, copy=False)
        try:
            self._video.add(image, self._seconds(frame.time))
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        """See `Sink.close`."""
        self._closed = True
        self._finish()

    def _finish(self) -> None:
        video, self._video = self._video, None
        if video is None:
            return
        try:
            video.finish()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _seconds(self, time: float) -> float:
        """When a frame is shown; one that is not later than the one before comes at the nominal rate."""
        seconds = time - self._began
        if self._shown is not None and seconds <= self._shown:
            seconds = self._shown + 1 / self._context.fps
        self._shown = seconds
        return seconds

    def _begin(self) -> Video:
        if not has_pyav():
            return ConstantVideo(self._path, self._context.fps, self._size)
        endless = self._context.live and not self._files.segmented
        try:
            return FragmentedVideo(self._path, self._context.fps, self._size, endless=endless)
        except OSError as error:
            raise unwritable(self._path, error) from error


PLUGIN = OverlaySink
