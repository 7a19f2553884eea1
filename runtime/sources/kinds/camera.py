"""A camera attached to this machine, by its index, through OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from ermu.errors import SourceError
from ermu.runtime.sources.base import DEFAULT_FPS, Frame, Source, live_frame


class CameraSource(Source):
    """A local camera's frames, as they come.

    OpenCV is the choice here: it speaks V4L2, AVFoundation and Media Foundation without further packages, and
    a local camera has neither timestamps nor options that PyAV would add.

    Raises:
        SourceError: there is no such camera, or it is in use.
    """

    help = "a camera index"
    rank = 1
    live = reconnects = True

    def __init__(self, index: int) -> None:
        self._index, self.description = index, f"camera {index}"
        self._frames = 0
        self._closed = False
        self._capture: cv2.VideoCapture | None = self._open()
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`: a number that is no file's or folder's name."""
        return where.isdecimal() and not Path(where).exists()

    @classmethod
    def open(cls, where: str) -> CameraSource:
        """See `Source.open`."""
        return cls(int(where))

    def __iter__(self) -> Iterator[Frame]:
        capture = self._capture or self._open()
        self._capture = None
        try:
            while not self._closed:
                read, image = capture.read()
                if not read:
                    return
                yield live_frame(self._frames, image)  # type: ignore[arg-type]
                self._frames += 1
        finally:
            capture.release()

    def close(self) -> None:
        self._closed = True
        if self._capture is not None:
            self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self._index)
        if not capture.isOpened():
            raise SourceError(
                f"Camera {self._index} cannot be opened.",
                fix="check that it is connected and not in use elsewhere",
            )
        return capture


PLUGIN = CameraSource
