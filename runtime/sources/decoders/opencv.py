"""Video files through OpenCV: in place of PyAV where that is not installed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from ermu.errors import SourceError
from ermu.runtime.files import is_unicode
from ermu.runtime.sources.base import DEFAULT_FPS, Frame
from ermu.runtime.sources.decoders.base import FrameClock, VideoDecoder
from ermu.runtime.sources.decoders.conversion import converted, may_be_interlaced

logger = logging.getLogger("ermu.sources")

_STAMP = getattr(cv2, "CAP_PROP_PTS", -1)  # in frames; before OpenCV 4.11 there is none, and it gives 0


class OpencvDecoder(VideoDecoder):
    """OpenCV's FFmpeg: no interlaced video; tells neither damaged frames nor why a file cannot be opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._opened() as capture:
            self.fps = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total_frames = count if count > 0 else None
        with _openable(path) as name:
            self._doubtful = may_be_interlaced(name)

    def __iter__(self) -> Iterator[Frame]:
        if self.device != "cpu":
            logger.warning("%s is decoded on the CPU: OpenCV uses no GPU (pip install av).", self._shown)
        frames = self._decoded()
        return converted(frames, self._shown) if self._doubtful else frames

    def _decoded(self) -> Iterator[Frame]:
        self.missing, index, end, promised = 0, 0, 0.0, self.total_frames or 0
        clock = FrameClock(self.fps)
        with self._opened() as capture:
            while True:
                read, image = capture.read()
                if not read:
                    break
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
                if index == 0:  # a clip that begins late has its count from its length, the gap included
                    promised -= max(0, int(capture.get(_STAMP)))
                frame = clock.frame(index, image, stamp)  # type: ignore[arg-type]
                yield frame
                index, end = index + 1, frame.time
        if index < promised and end + 2.5 / self.fps < promised / self.fps:
            self.missing = promised - index

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        with _openable(self._path) as name:
            capture = cv2.VideoCapture(name)
            try:
                if not capture.isOpened():
                    raise SourceError(
                        f"The video {self._shown} cannot be opened.",
                        expected="a file that OpenCV's FFmpeg can decode",
                        fix="pip install av (extra `live`), which decodes more and says what is wrong; "
                        "or check that it is a whole video file",
                    )
                yield capture
            finally:
                capture.release()


@contextmanager
def _openable(path: Path) -> Iterator[str]:
    """A name that OpenCV takes: a name that is not UTF-8 would end the process."""
    if is_unicode(path):
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise SourceError(
            "OpenCV cannot open a file whose name is not UTF-8.", fix="rename it, or pip install av"
        )
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
