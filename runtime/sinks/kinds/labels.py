"""Label maps as palette PNGs."""

from __future__ import annotations

from pathlib import Path

from ermu.runtime.images.label_folder import MARK
from ermu.runtime.images.labels import write_label_map
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext, make_folder, needed_target, unused
from ermu.runtime.sources.base import Frame


class LabelSink(Sink):
    """One palette PNG a frame at source size: `<folder>/<name>.png`."""

    name = "labels"
    help = "a palette PNG a frame, into a folder"

    fills_folder = True

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> LabelSink:
        """See `Sink.open`."""
        folder = cls.output(target, context)
        return cls(unused(folder) if context.goes_on else folder)

    @classmethod
    def output(cls, target: str | None, context: SinkContext) -> Path:
        """See `Sink.output`."""
        folder = Path(needed_target(target, cls.name, "FOLDER"))
        return folder / context.stream if context.stream else folder

    @classmethod
    def keeps(cls, output: Path, context: SinkContext) -> bool:
        """See `Sink.keeps`: a restarted stream writes into a folder with a number."""
        return context.goes_on

    def write(self, frame: Frame, result: FrameResult) -> None:
        write_label_map(self._folder / f"{frame.name}.png", result.label, software=MARK)


PLUGIN = LabelSink
