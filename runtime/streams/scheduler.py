"""Gives many streams fair turns on one set of graphs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event

from ermu.errors import ErmuError
from ermu.runtime.sources.redaction import redact
from ermu.runtime.streams.pipeline import Pipeline

_IDLE_SECONDS = 0.25
_STOP_SECONDS = 1.5

logger = logging.getLogger("ermu.streams")


class Scheduler:
    """One worker for every stream.

    Graphs and their bindings belong to one thread, so streams take turns: a frame each, round and round; a
    stream with no new frame is passed over at once. One that fails or ends leaves the others alone.

    Args:
        pipelines: Set up with `Pipeline.begin`.
        endless: Go on when every stream has ended, until `stop`: somebody may still be looking.
    """

    def __init__(self, pipelines: Sequence[Pipeline], *, endless: bool = False) -> None:
        self.pipelines, self._endless = list(pipelines), endless
        self._wake, self._stop = Event(), Event()

    def run(self, *, on_turn: Callable[[], None] = lambda: None) -> None:
        """Works until every stream has ended or `stop` is called; then sinks are finished.

        Args:
            on_turn: Called after every round.

        Raises:
            ErmuError: the first stream's that failed, after all have ended.
            StateError: a stream has not begun, or has run before; the others' sinks are closed.
        """
        try:
            for pipeline in self.pipelines:
                pipeline.start(self._wake.set)
            while not self._over():
                self._wake.clear()
                busy = [self._turn(pipeline) for pipeline in self.pipelines]
                on_turn()
                if not any(busy) and not self._over():
                    self._wake.wait(_IDLE_SECONDS)
        finally:
            for pipeline in self.pipelines:
                self._finish(pipeline)
        failed = next((pipeline.error for pipeline in self.pipelines if pipeline.error), None)
        if failed is not None:
            raise failed

    def stop(self) -> None:
        """Ends the run soon, cleanly; may be called from a signal handler or another thread."""
        self._stop.set()
        self._wake.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _over(self) -> bool:
        all_done = all(pipeline.done for pipeline in self.pipelines)
        return self._stop.is_set() or (not self._endless and all_done)

    def _turn(self, pipeline: Pipeline) -> bool:
        was_done = pipeline.done
        try:
            segmented = pipeline.turn()
        except ErmuError as error:
            pipeline.fail(error)
            logger.warning("The stream %s has failed: %s", pipeline.name, redact(error.problem))
            return False
        if pipeline.done and not was_done:
            logger.info("The stream %s has ended after %d frames.", pipeline.name, pipeline.frames)
        return segmented

    def _finish(self, pipeline: Pipeline) -> None:
        try:
            pipeline.finish(seconds=_STOP_SECONDS if self._stop.is_set() else None)
        except ErmuError as error:
            pipeline.fail(error)
