"""A window with the overlay, where a display exists."""

from __future__ import annotations

import os
import re
import sys

import cv2

from ermu.errors import SinkError
from ermu.runtime.images.overlay import draw_overlay
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext
from ermu.runtime.sources.base import Frame

_FIX = "pip uninstall -y opencv-python-headless && pip install 'ermu[window]'"


class WindowSink(Sink):
    """Shows every frame it is given.

    Args:
        title: Of the window.

    Raises:
        SinkError: there is no display, or OpenCV was built without windows.
    """

    name = "window"
    help = "a window with the objects drawn in"

    def __init__(self, title: str) -> None:
        if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise SinkError(
                "There is no display for a window.",
                fix="leave --window out, or use `ermu serve` and a browser",
            )
        if re.search(r"^ *GUI: *NONE", cv2.getBuildInformation(), re.MULTILINE):
            raise SinkError("This OpenCV was built without windows.", fix=_FIX)
        self._title, self._shown = title, False

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> WindowSink:
        """See `Sink.open`."""
        return cls(target or f"ermu {context.stream or ''}".strip())

    def write(self, frame: Frame, result: FrameResult) -> None:
        try:
            cv2.imshow(self._title, draw_overlay(frame.image, result.label))
            cv2.waitKey(1)
        except cv2.error as error:
            raise SinkError(f"OpenCV cannot open a window: {error.err}.", fix=_FIX) from error
        self._shown = True

    def close(self) -> None:
        if self._shown:
            cv2.destroyWindow(self._title)
            self._shown = False


PLUGIN = WindowSink
