"""Several workers side by side, each with a backend and a share of the processors of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import inf
from threading import Lock, Thread
from time import monotonic
from typing import Any

from ermu.closing import Closing
from ermu.devices.names import parse_device
from ermu.devices.processors import usable_processors
from ermu.errors import DeviceLostError
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.choosing import AUTO, choose_backend, choose_precision
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.recovery import Recovery
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.runtime.streams.work.shared_backend import SharedBackend

_LOOK_SECONDS = 1.0  # a wait without an end would hold a signal back
_STOP_SECONDS = 5.0


def usual_lanes(streams: int, *, device: str = "cpu", threads: int | None = None) -> int:
    """As many as there are streams or threads; one on a GPU, which is shared in any case.

    Small products do not get n times faster on n processors, n frames side by side nearly do.
    """
    if str(parse_device(device)) != "cpu":
        return 1
    return max(1, min(streams, threads or usable_processors()))


def shares(threads: int, lanes: int) -> list[int]:
    """Threads of each lane: as equal as can be, one at least."""
    return [max(1, threads * (i + 1) // lanes - threads * i // lanes) for i in range(lanes)]


class Lanes(Closing):
    """Backends for streams that are segmented side by side; closed together.

    Each lane loads the graphs and has work memory of its own.

    Args:
        bundle: Loaded.
        count: Of lanes.
        recovery: Of the device, with whoever else works on it.
        options: As in `Segmenter`; the threads are those of all lanes together.

    Attributes:
        threads: The first lane's share, by which `auto` chooses for all.
    """

    def __init__(
        self, bundle: Bundle, count: int, *, recovery: Recovery | None = None, **options: Any
    ) -> None:
        threads = shares(options.pop("threads", None) or usable_processors(), count)
        self.threads = threads[0]
        device, backend = options.get("device", "cpu"), options.get("backend", AUTO)
        options["precision"] = choose_precision(
            bundle, options.get("precision"), device, backend=backend, threads=self.threads
        )
        at_precision = bundle.at_precision(options["precision"])
        options["backend"] = choose_backend(at_precision, backend, device, threads=self.threads)
        recovery = recovery or Recovery()
        with ExitStack() as opening:
            self._lanes = [
                opening.enter_context(SharedBackend(bundle, 0, recovery=recovery, threads=share, **options))
                for share in threads
            ]
            self._open = opening.pop_all()

    @property
    def backend(self) -> Backend:
        """The first lane's; the others' are like it."""
        return self._lanes[0].backend

    def segmenter(self, **options: Any) -> Segmenter:
        """One more segmenter, in the lane that has the fewest; as `SharedBackend.segmenter`."""
        return min(self._lanes, key=lambda lane: len(lane.segmenters)).segmenter(**options)

    @property
    def segmenters(self) -> list[list[Segmenter]]:
        """Those of each lane."""
        return [list(lane.segmenters) for lane in self._lanes]

    def workers(self, pipelines: Sequence[Pipeline], *, endless: bool = False) -> Workers:
        """A worker for the pipelines of each lane, whose segmenters came from here."""
        lanes = [(lane, [p for p in pipelines if p.segmenter in lane.segmenters]) for lane in self._lanes]
        alone = len(pipelines) == 1
        return Workers(
            [Scheduler(own, endless=endless, shared=lane, alone=alone) for lane, own in lanes if own]
        )

    def close(self) -> None:
        """Closes every segmenter and backend; closing twice is harmless."""
        self._open.close()


class Workers:
    """Schedulers that work at the same time: the first in the caller's thread.

    Args:
        schedulers: One at least.
    """

    def __init__(self, schedulers: Sequence[Scheduler]) -> None:
        self._schedulers, self._lock = list(schedulers), Lock()
        self._failures: list[BaseException | None] = [None] * len(self._schedulers)

    def run(self, *, on_turn: Callable[[], None] = lambda: None) -> None:
        """Works until every stream has ended or `stop` is called.

        Args:
            on_turn: Called after every turn, by one worker at a time.

        Raises:
            ErmuError: as `Scheduler.run`, of the first that failed, after all have ended; a lost device
                before any other.
        """

        def in_turn() -> None:
            with self._lock:
                on_turn()

        threads = [
            Thread(target=self._work, args=(number, in_turn), name=f"lane {number}", daemon=True)
            for number in range(1, len(self._schedulers))
        ]
        for thread in threads:
            thread.start()
        self._work(0, in_turn)
        try:
            self._wait_for(threads)
        except BaseException:  # a second signal: what they work on is closed next, so they end their frames
            self.stop()
            self._wait_for(threads, seconds=_STOP_SECONDS)
            raise
        failures = [failure for failure in self._failures if failure]
        for failure in sorted(failures, key=lambda failure: not isinstance(failure, DeviceLostError)):
            raise failure

    def _wait_for(self, threads: Sequence[Thread], *, seconds: float = inf) -> None:
        until = monotonic() + seconds
        for thread in threads:
            while thread.is_alive() and monotonic() < until:
                thread.join(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ends the run soon, cleanly; may be called from a signal handler or another thread."""
        for scheduler in self._schedulers:
            scheduler.stop()

    def _work(self, number: int, on_turn: Callable[[], None]) -> None:
        scheduler = self._schedulers[number]
        try:
            scheduler.run(on_turn=on_turn)
        except BaseException as failure:
            self._failures[number] = failure
            if not any(pipeline.error is failure for pipeline in scheduler.pipelines):
                self.stop()  # not a stream has failed, but its worker
