"""The files that a sink writes one after another: one for a whole stream, or one every so many seconds."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from time import time as now

from ermu.runtime.files import shown
from ermu.runtime.sinks.base import SinkContext, unused

_DAY = 86_400.0
_BEGUN = r"-\d{8}T\d{6}Z(-\d+)?"  # between stem and suffix: when it begins, and a number within that second

logger = logging.getLogger("ermu.sinks")


class OutputFiles:
    """Names a sink's files, and removes those that are older than the user wants to keep.

    Args:
        path: As the user named it. Segments carry the time at which they begin before its suffix.
        context: Of the stream.
        is_own: Whether a file was written by a sink of this kind: nothing else is ever removed.
    """

    def __init__(self, path: Path, context: SinkContext, is_own: Callable[[Path], bool]) -> None:
        self._path, self._context, self._is_own = path, context, is_own
        self._began: float | None = None
        self._device = path.exists() and not path.is_file()  # /dev/null, a pipe: it has no names beside it
        self._segment = re.compile(f"{re.escape(path.stem)}{_BEGUN}{re.escape(path.suffix)}")

    @property
    def segmented(self) -> bool:
        """Whether there will be several."""
        return self._context.segment_seconds is not None and not self._device

    def turn(self, time: float) -> Path | None:
        """The segment that a frame of this time begins; None where the file under way takes it.

        Args:
            time: Of the frame, in seconds on its stream's own axis.
        """
        seconds = self._context.segment_seconds
        if seconds is None or self._device or (self._began is not None and 0 <= time - self._began < seconds):
            return None
        self._began = time
        self._remove_old()
        begun = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        return unused(self._path.with_stem(f"{self._path.stem}-{begun}"))

    def beside(self) -> Path:
        """The one file, with a number where a restarted stream finds its earlier one."""
        if not self._context.goes_on or self._device:
            return self._path
        path = unused(self._path)
        if path != self._path:
            logger.warning("%s is an earlier run's; this one is %s.", shown(self._path), shown(path))
        return path

    def _remove_old(self) -> None:
        if self._context.keep_days is None:
            return
        oldest = now() - _DAY * self._context.keep_days
        try:
            for path in self._path.parent.iterdir():
                if self._segment.fullmatch(path.name) and self._is_old(path, oldest) and self._is_own(path):
                    path.unlink()
                    logger.info("%s is older than wanted and removed.", shown(path))
        except OSError as error:
            logger.warning("Old files in %s stay: %s.", shown(self._path.parent), error.strerror or error)

    @staticmethod
    def _is_old(path: Path, oldest: float) -> bool:
        return path.is_file() and not path.is_symlink() and path.stat().st_mtime < oldest
