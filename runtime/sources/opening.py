"""From a description on the command line to a source."""

from __future__ import annotations

import logging

from ermu.errors import ErmuError, SourceError
from ermu.registries import SOURCES
from ermu.runtime.sources.base import Source
from ermu.runtime.sources.redaction import redact

logger = logging.getLogger("ermu.sources")
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


def open_source(where: str) -> Source:
    """Opens a source: the first kind of `SOURCES` that knows the description, by rank.

    Args:
        where: A folder of images, a glob, a video file, a camera index, an RTSP or HTTP address, or a scene.

    Raises:
        SourceError: nothing is there, or it holds no image. A network address is not tried yet.
    """
    kinds = source_kinds()
    kind = next((kind for kind in kinds if kind.opens(where)), None)
    if kind is None:
        expected = ", or ".join(kind.help for kind in kinds if kind.help)
        raise SourceError(f"There is no source at '{redact(where)}'.", expected=expected)
    try:
        return kind.open(where)
    except ErmuError:
        raise
    except Exception as error:  # a source may be anybody's
        problem = f"{type(error).__name__}: {redact(str(error))}"
        raise SourceError(f"'{redact(where)}' cannot be opened: {problem}.") from error


def is_live(where: str) -> bool:
    """Whether a description names a live source; opens nothing, and leaves warnings to `open_source`."""
    return next((kind.live for kind in source_kinds(_SILENT) if kind.opens(where)), False)


def source_kinds(told: logging.Logger = logger) -> list[type[Source]]:
    """Every kind of source in the order in which they are asked: by rank, and of one rank by name."""
    kinds = [(kind.rank, name, kind) for name, kind in SOURCES.loadable(told)]
    return [kind for _, _, kind in sorted(kinds, key=lambda entry: entry[:2])]
