"""Watches the workers: what they say of their streams, who is lost, and which stream is to blame."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from threading import RLock
from time import monotonic
from typing import Any

from ermu.errors import ErmuError
from ermu.fleet.board import Board, Worker
from ermu.fleet.cluster import Cluster, WorkerLostError
from ermu.fleet.tracked import Standing, TrackedStream
from ermu.runtime.config.schema import FleetSection

logger = logging.getLogger("ermu.fleet")


class Watching:
    """For one thread, beside the one that places.

    Args:
        cluster: Where workers run.
        board: Who is where.
        streams: By name.
        lock: Of both.
        fleet: As configured.
    """

    def __init__(
        self,
        cluster: Cluster,
        board: Board,
        streams: Mapping[str, TrackedStream],
        lock: RLock,
        fleet: FleetSection,
    ) -> None:
        self._cluster, self._board, self._streams = cluster, board, streams
        self._lock, self._fleet = lock, fleet
        self.lost_workers = 0

    def look(self, seconds: float) -> None:
        """Asks every worker how its streams are.

        Args:
            seconds: To wait for answers; one that comes later counts the next time.
        """
        with self._lock:
            workers = list(self._board)
        for worker in workers:
            worker.asked = worker.asked or self._cluster.ask(worker.handle, "status")
        done = self._cluster.answered([worker.asked for worker in workers], seconds=seconds)
        for worker in workers:
            if worker.asked in done:
                self._take(worker)
            silent = monotonic() - worker.heard
            if silent > self._fleet.lost_seconds:
                self.lose(worker, f"no answer for {silent:.0f} s")

    def lose(self, worker: Worker, why: str) -> None:
        """A worker is gone: its streams are to go on elsewhere. Twice is harmless."""
        with self._lock:
            if self._board.get(worker.name) is not worker:
                return
            self._board.drop(worker)
            held = [stream for name in worker.streams if (stream := self._streams.get(name)) is not None]
            for stream in held:
                stream.leave(f"Its worker {worker.name} is lost: {why}")
        self.lost_workers += 1
        logger.error("The worker %s with %d streams is lost: %s", worker.name, len(held), why)
        with suppress(Exception):  # it may be beyond any end
            self._cluster.end(worker.handle)
        if worker.node in self._cluster.nodes():
            self._blame(worker, held)

    def _take(self, worker: Worker) -> None:
        asked, worker.asked = worker.asked, None
        try:
            said = self._cluster.result(worker.name, asked, seconds=1.0)
        except WorkerLostError as error:
            self.lose(worker, error.problem)
        except TimeoutError:
            return
        except ErmuError as error:
            worker.heard = monotonic()
            logger.warning("The worker %s has a problem: %s", worker.name, error.problem)
        else:
            worker.heard = monotonic()
            self._observe(worker, said)

    def _observe(self, worker: Worker, said: Mapping[str, Any]) -> None:
        with self._lock:
            for name, each in said.items():
                stream = self._streams.get(name)
                if stream is not None and stream.worker == worker.name:
                    stream.observe(each)

    def _blame(self, worker: Worker, held: list[TrackedStream]) -> None:
        """The process crashed, its node lives: the one that was watched did it, or else any of them."""
        with self._lock:
            watched = [stream for stream in held if stream.entry.name == worker.watched]
            suspects = watched or held
            for stream in suspects:
                if len(suspects) == 1:
                    stream.blame(self._fleet.tries)
                elif stream.standing is Standing.WAITING:
                    stream.suspicions += 1
