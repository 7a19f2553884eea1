"""A video file as a source: through PyAV, or OpenCV where that is not installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from ermu.runtime.files import shown
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.decoders.base import VideoDecoder

logger = logging.getLogger("ermu.sources")


class VideoSource(Source):
    """Every frame of a video file, in order, at the times that the file says.

    PyAV is the choice where it is installed, as for streams: measured, OpenCV decodes neither interlaced
    video nor AV1, and says nothing of damaged frames.

    Args:
        path: Of the file.
        decoder: Decodes it; default, PyAV or what stands in for it.

    Raises:
        SourceError: it cannot be opened.
    """

    help = "a video file"
    rank = 2

    def __init__(self, path: Path, *, decoder: type[VideoDecoder] | None = None) -> None:
        self.description = shown(path)
        self._decoder = (decoder or best_decoder())(path)
        self.fps, self.total_frames = self._decoder.fps, self._decoder.total_frames

    @property
    def missing(self) -> int:  # type: ignore[override]
        """See `Source`."""
        return self._decoder.missing

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`: whatever file it is, the decoder says whether it is a video."""
        return Path(where).is_file()

    @classmethod
    def open(cls, where: str) -> VideoSource:
        """See `Source.open`."""
        return cls(Path(where))

    def decode_on(self, device: str) -> None:
        """See `Source`."""
        self._decoder.device = device

    def leave_on(self, device: str) -> None:
        """See `Source`."""
        self._decoder.stays_on = device

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._decoder)


def best_decoder() -> type[VideoDecoder]:
    """PyAV's where it is installed."""
    try:
        from ermu.runtime.sources.decoders.pyav import PyavDecoder
    except ImportError:
        from ermu.runtime.sources.decoders.opencv import OpencvDecoder

        logger.warning(
            "PyAV is not installed: OpenCV decodes neither interlaced video nor AV1, and tells no "
            "damaged frames (pip install av)."
        )
        return OpencvDecoder
    return PyavDecoder


PLUGIN = VideoSource
