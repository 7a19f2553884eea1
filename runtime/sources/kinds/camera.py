"""A camera attached to this machine, by its index or its device's path, through OpenCV."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2

from ermu.errors import SourceError
from ermu.runtime.opencv import quiet_opencv
from ermu.runtime.sources.base import DEFAULT_FPS, Frame, Source, live_frame

_DEVICES = ("/dev/video", "/dev/v4l/")


class CameraSource(Source):
    """A local camera's frames, as they come.

    OpenCV is the choice here: it speaks V4L2, AVFoundation and Media Foundation without further packages, and
    a local camera has neither timestamps nor options that PyAV would add.

    Args:
        device: An index, or the path of a V4L2 device; one below `/dev/v4l/by-id` stays the same camera
            whatever else is plugged in.

    Raises:
        SourceError: there is no such camera, or it is in use.
    """

    help = "a camera: an index, /dev/video0, /dev/v4l/by-id/..."
    rank = 1
    live = reconnects = True

    def __init__(self, device: int | str) -> None:
        self._device, self.description = device, f"camera {device}"
        self._frames = 0
        self._closed = False
        self._capture: cv2.VideoCapture | None = self._open()
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`: a device, or a number that is no file's or folder's name."""
        return where.startswith(_DEVICES) or (where.isdecimal() and not Path(where).exists())

    @classmethod
    def open(cls, where: str) -> CameraSource:
        """See `Source.open`."""
        return cls(int(where) if where.isdecimal() else where)

    def __iter__(self) -> Iterator[Frame]:
        self.awaits = "connecting"
        capture = self._capture or self._open()
        self._capture = None
        try:
            while not self._closed:
                read, image = capture.read()
                if not read:
                    return
                self.awaits = "waiting for the next picture"
                yield live_frame(self._frames, image)  # type: ignore[arg-type]
                self._frames += 1
        finally:
            capture.release()

    def close(self) -> None:
        self._closed = True
        if self._capture is not None:
            self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        by_path, numbered = isinstance(self._device, str), f"/dev/video{self._device}"
        known = by_path or sys.platform.startswith("linux")
        if known and not Path(str(self._device) if by_path else numbered).exists():
            raise SourceError(
                f"There is no {self.description}.", expected=_present(), fix="check that it is connected"
            )
        with quiet_opencv():
            if by_path:
                capture = cv2.VideoCapture(self._device, cv2.CAP_V4L2)
            else:
                capture = cv2.VideoCapture(self._device)
        if not capture.isOpened():
            raise SourceError(
                f"{self.description[:1].upper()}{self.description[1:]} cannot be opened.",
                fix="check that it is connected and not in use elsewhere, and that this user may read it "
                "(group video on Linux)",
            )
        return capture


def _present() -> str:
    """The cameras that are there, by the names that stay."""
    named = sorted(Path("/dev/v4l/by-id").glob("*")) or sorted(Path("/dev").glob("video*"))
    return " or ".join(map(str, named)) or "a V4L2 device; none is there"


PLUGIN = CameraSource
