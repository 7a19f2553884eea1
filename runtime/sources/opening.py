"""From a description on the command line to a source."""

from __future__ import annotations

import logging

from ermu.errors import ErmuError, SourceError
from ermu.redaction import shown_address
from ermu.registries import SOURCES
from ermu.runtime.sources.base import Source

logger = logging.getLogger("ermu.sources")
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


def open_source(where: str) -> Source:
    """Opens a source: the first kind of `SOURCES` that knows the description, by rank.

    Args:
        where: A folder of images, a glob, a video file, a camera, a scene, or an address (RTSP, HTTP, RTMP,
            SRT, UDP).

    Raises:
        SourceError: nothing is there, or it holds no image. A network address is not tried yet.
    """
    kinds = source_kinds()
    kind = next((kind for kind in kinds if kind.opens(where)), None)
    if kind is None:
        expected = ", or ".join(kind.help for kind in kinds if kind.help)
        raise SourceError(f"There is no source at '{shown_address(where)}'.", expected=expected)
    try:
        return kind.open(where)
    except ErmuError:
        raise
    except Exception as error:  # a source may be anybody's
        shown = shown_address(where)
        problem = f"{type(error).__name__}: {str(error).replace(where, shown)}"
        raise SourceError(f"'{shown}' cannot be opened: {problem}.") from error


def is_live(where: str) -> bool:
    """Whether a description names a live source; opens nothing, and leaves warnings to `open_source`."""
    return next((kind.live for kind in source_kinds(_SILENT) if kind.opens(where)), False)


def source_kinds(told: logging.Logger = logger) -> list[type[Source]]:
    """Every kind of source in the order in which they are asked: by rank, and of one rank by name."""
    kinds = [(kind.rank, name, kind) for name, kind in SOURCES.loadable(told)]
    return [kind for _, _, kind in sorted(kinds, key=lambda entry: entry[:2])]
