"""A video file as a source, through OpenCV, which every installation has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from ermu.errors import SourceError
from ermu.runtime.sources.base import DEFAULT_FPS, Frame, Source


class VideoSource(Source):
    """Every frame of a video file, in order.

    Raises:
        SourceError: OpenCV cannot open it.
    """

    help = "a video file"
    rank = 2

    def __init__(self, path: Path) -> None:
        self._path, self.description = path, str(path)
        capture = self._open()
        self.fps = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total_frames = count if count > 0 else None
        capture.release()

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`: whatever file it is, the decoder says whether it is a video."""
        return Path(where).is_file()

    @classmethod
    def open(cls, where: str) -> VideoSource:
        """See `Source.open`."""
        return cls(Path(where))

    def __iter__(self) -> Iterator[Frame]:
        capture, index = self._open(), 0
        try:
            while True:
                read, image = capture.read()
                if not read:
                    return
                yield Frame(index, f"{index:05d}", image, time=index / self.fps)  # type: ignore[arg-type]
                index += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise SourceError(
                f"The video {self._path} cannot be opened.",
                expected="a file that OpenCV's FFmpeg can decode",
                fix="check that it is a whole video file, or convert it to MP4",
            )
        return capture


PLUGIN = VideoSource
