"""Gives many streams fair turns on one set of graphs."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from threading import Event
from time import monotonic
from typing import Protocol

from ermu.errors import ErmuError
from ermu.logs import in_stream
from ermu.runtime.streams.pipeline import Pipeline

_IDLE_SECONDS = 0.25
_STOP_SECONDS = 1.5

logger = logging.getLogger("ermu.streams")


class Reopenable(Protocol):
    """What the streams share and a fault may end: `SharedBackend`."""

    @property
    def lost(self) -> bool: ...

    def settle(self) -> None: ...

    def reopen(self) -> None: ...


class Scheduler:
    """One worker for every stream.

    Graphs and their bindings belong to one thread, so streams take turns: a frame each, round and round; a
    stream with no new frame is passed over at once. One that fails or ends leaves the others alone.

    Where a fault has ended the device, it is opened anew, and every stream begins its memories again from its
    latest label map. A stream in whose turn that happens twice, with no whole frame in between, has failed.

    Args:
        pipelines: Set up with `Pipeline.begin`.
        endless: Go on when every stream has ended, until `stop`: somebody may still be looking.
        shared: What the pipelines' segmenters share; None, a lost device ends each stream.
    """

    def __init__(
        self, pipelines: Sequence[Pipeline], *, endless: bool = False, shared: Reopenable | None = None
    ) -> None:
        self.pipelines, self._endless, self._shared = list(pipelines), endless, shared
        self._wake, self._stop = Event(), Event()
        self._suspects = set[Pipeline]()  # lost the device in their turn, and have segmented nothing since
        self._careful = False  # once it was lost, each turn waits for its own work, to be blamed for its own

    def run(self, *, on_turn: Callable[[], None] = lambda: None) -> None:
        """Works until every stream has ended or `stop` is called; then sinks are finished.

        Args:
            on_turn: Called after every round.

        Raises:
            ErmuError: the first stream's that failed, after all have ended.
            DeviceLostError: the device does not come back in this process.
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
            self._finish()
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
        with in_stream(pipeline.name if pipeline.source.live else None):
            return self._take_turn(pipeline)

    def _take_turn(self, pipeline: Pipeline) -> bool:
        was_done = pipeline.done
        try:
            segmented = pipeline.turn()
            if segmented and self._careful and self._shared is not None:
                self._shared.settle()
        except ErmuError as error:
            failure = error
        else:
            if pipeline.done and not was_done:
                logger.info("The stream %s has ended after %d frames.", pipeline.name, pipeline.frames)
            if segmented:
                self._suspects.discard(pipeline)
            return segmented
        if self._shared is not None and self._shared.lost:
            return self._recovered(pipeline, failure, self._shared)
        self._fail(pipeline, failure)
        return False

    def _fail(self, pipeline: Pipeline, error: ErmuError) -> None:
        pipeline.fail(error)
        pipeline.segmenter.reset()  # its memory is the others'
        logger.warning("The stream %s has failed: %s", pipeline.name, error.problem)

    def _recovered(self, pipeline: Pipeline, error: ErmuError, shared: Reopenable) -> bool:
        """Opens the lost device anew for every stream; the one in whose turn it was lost has a second try."""
        logger.warning("The device was lost in a turn of %s: %s", pipeline.name, error.problem)
        if pipeline in self._suspects or pipeline.strict:
            self._fail(pipeline, error)
        self._suspects.add(pipeline)
        self._careful = True
        _forget_frames(error)
        shared.reopen()
        for each in self.pipelines:
            if not each.done:
                each.renew()
        return True

    def _finish(self) -> None:
        """Ends every stream; after a stop all of them have the same few seconds together."""
        deadline = monotonic() + _STOP_SECONDS

        def left() -> float | None:
            return max(0.0, deadline - monotonic()) if self._stop.is_set() else None

        for pipeline in self.pipelines:
            if self._stop.is_set():
                pipeline.halt(seconds=left())
        for pipeline in self.pipelines:
            try:
                pipeline.finish(seconds=left())
            except ErmuError as error:
                pipeline.fail(error)


def _forget_frames(error: BaseException | None) -> None:
    """Drops what the functions that failed still hold: it lies on a device that is to be reset."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
