"""From a description on the command line to a source."""

from __future__ import annotations

from ermu.errors import SourceError
from ermu.registries import SOURCES
from ermu.runtime.sources.base import Source
from ermu.runtime.sources.redaction import redact


def open_source(where: str) -> Source:
    """Opens a source: the first kind of `SOURCES` that knows the description, by rank.

    Args:
        where: A folder of images, a glob, a video file, a camera index, an RTSP or HTTP address, or a scene.

    Raises:
        SourceError: nothing is there, or it holds no image. A network address is not tried yet.
    """
    kinds = sorted((kind for _, kind in SOURCES.items()), key=lambda kind: kind.rank)
    for kind in kinds:
        if kind.opens(where):
            return kind.open(where)
    raise SourceError(
        f"There is no source at '{redact(where)}'.", expected=", or ".join(kind.help for kind in kinds)
    )
