"""Label maps as palette PNGs."""

from __future__ import annotations

from pathlib import Path

from ..frame_result import FrameResult
from ..labels import write_label_map
from ..sources import Frame
from .sink import Sink, make_folder


class LabelSink(Sink):
    """One palette PNG a frame at source size: `<folder>/<name>.png`."""

    name = "labels"

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def write(self, frame: Frame, result: FrameResult) -> None:
        write_label_map(self._folder / f"{frame.name}.png", result.label)
