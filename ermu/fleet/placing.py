"""Puts streams into workers, and takes workers from the cluster where those that are there are full."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any

from ermu.errors import ErmuError, OptionError
from ermu.fleet.board import Board, FleetFullError, Worker, share_of
from ermu.fleet.cluster import Cluster, WorkerLostError, fits
from ermu.fleet.tracked import Standing, TrackedStream
from ermu.fleet.worker.kept import Kept
from ermu.fleet.worker.settings import Kind, WorkerSettings
from ermu.logs import in_stream
from ermu.runtime.config.schema import FleetSection, Resources

_CLOSE_SECONDS = 10.0

logger = logging.getLogger("ermu.fleet")


class Placing:
    """For one thread alone, beside the one that watches.

    Args:
        cluster: Where workers run.
        board: Who is where.
        lock: Of the board.
        fleet: As configured.
        common: What all workers are told: `WorkerSettings` without name, kind and share.
    """

    def __init__(
        self, cluster: Cluster, board: Board, lock: RLock, fleet: FleetSection, common: Mapping[str, Any]
    ) -> None:
        self._cluster, self._board, self._lock, self._fleet = cluster, board, lock, fleet
        self._common, self._sessions = common, Path(str(common["sessions"]))
        self._count = 0

    def place(self, stream: TrackedStream, on: Worker | None = None, avoid: str | None = None) -> None:
        """Puts a stream into a worker, where it begins from its session.

        Args:
            stream: One that waits.
            on: A worker with room for it; None, any.
            avoid: A worker that will not do.

        Raises:
            FleetFullError: nowhere is room.
            WorkerLostError: the worker is gone meanwhile.
            ErmuError: the stream cannot be opened.
            TimeoutError: the worker does not answer.
        """
        entry, alone = stream.entry, stream.strikes > 0
        worker = on or self._found(stream, alone, avoid)
        with self._lock:
            worker.streams[entry.name] = share_of(entry)
            worker.alone = alone and len(worker.streams) == 1
            if stream.suspect:
                worker.settling = entry.name, monotonic() + self._fleet.place_seconds
        try:
            Kept(self._sessions, entry.name).claim(worker.name)
            seconds = self._fleet.place_seconds
            self._cluster.call(worker.name, worker.handle, "add", entry, seconds=seconds)
        except WorkerLostError:
            raise
        except (ErmuError, TimeoutError):
            with self._lock:
                worker.streams.pop(entry.name, None)
                worker.settling = None
            self.tidy(worker)
            raise
        with self._lock:
            if stream.suspect:
                worker.settling = entry.name, monotonic() + self._fleet.settle_seconds
            if self._board.get(worker.name) is worker:
                stream.place(worker.name)
        with in_stream(entry.name):
            logger.info("It is in %s.", worker.name)

    def target(self, stream: TrackedStream, name: str | None) -> Worker:
        """A worker that a stream can move to, taken from the cluster where none has room.

        Raises:
            OptionError: the one that is named is not there, or runs something else.
            FleetFullError: it has no room, or none has.
        """
        if name is None:
            return self._found(stream, False, stream.worker)
        worker, known = self._board.get(name), [worker.name for worker in self._board]
        if worker is None or worker.name == stream.worker or worker.kind != Kind.of(stream.entry):
            raise OptionError(
                f"The stream {stream.entry.name} cannot move to '{name}'.",
                expected=f"another worker of its kind, of {', '.join(known)}",
            )
        if not fits(share_of(stream.entry), worker.free):
            raise FleetFullError(
                f"The worker {name} has no room for the stream {stream.entry.name}: "
                f"{_shown(worker.free)} are free.",
                expected=_shown(share_of(stream.entry)),
            )
        return worker

    def take_out(self, stream: TrackedStream, *, save: bool) -> None:
        """Has a stream's worker let it go.

        Raises:
            ErmuError: its session cannot be written; it is where it was.
            TimeoutError: the worker does not answer.
        """
        worker = self._board.holder(stream.entry.name)
        if worker is None:
            return
        seconds = self._fleet.place_seconds
        with suppress(WorkerLostError):
            self._cluster.call(worker.name, worker.handle, "remove", stream.entry.name, save, seconds=seconds)
        with self._lock:
            worker.streams.pop(stream.entry.name, None)
            worker.alone = worker.alone and bool(worker.streams)

    def tidy(self, worker: Worker) -> None:
        """Gives a worker without streams back to the cluster."""
        with self._lock:
            if worker.streams:
                return
            self._board.drop(worker)
        with suppress(ErmuError, TimeoutError):
            self._cluster.call(worker.name, worker.handle, "close", seconds=_CLOSE_SECONDS)
        self._cluster.end(worker.handle)

    def _found(self, stream: TrackedStream, alone: bool, avoid: str | None) -> Worker:
        """A worker that is there, or a new one."""
        entry, suspect = stream.entry, stream.suspect
        with self._lock:
            worker = self._board.find(entry, alone=alone, suspect=suspect, avoid=avoid)
            watching = suspect and self._board.find(entry, avoid=avoid) is not None
        if worker is not None:
            return worker
        if watching and not alone:
            raise FleetFullError("Other suspects of a crash are watched first.")
        try:
            return self._started(Kind.of(entry), stream)
        except FleetFullError:
            if not (alone and watching):
                raise
        return self._found(stream, False, avoid)

    def _started(self, kind: Kind, stream: TrackedStream) -> Worker:
        """A new worker, opened.

        Raises:
            FleetFullError: the cluster has no room for it.
            ErmuError: the bundle or the backend cannot be had there.
        """
        share = self._fleet.worker
        self._refuse_full(share, stream)
        self._count += 1
        settings = WorkerSettings(
            name=f"w{self._count}", kind=kind, cpus=share.cpus, gpus=share.gpus, **self._common
        )
        began, handle = monotonic(), self._cluster.start(settings)
        try:
            said = self._cluster.call(settings.name, handle, "open", seconds=self._fleet.place_seconds)
        except TimeoutError:
            self._cluster.end(handle)
            raise FleetFullError(
                f"No node has taken a new worker within {self._fleet.place_seconds:g} s.",
                expected=f"{_shown(share)} on one node",
                fix="add a node, or give fleet.worker less",
            ) from None
        except BaseException:
            self._cluster.end(handle)
            raise
        worker = Worker(settings.name, kind, share, handle, said["node"], said["url"], said["pid"])
        with self._lock:
            self._board.put(worker)
        text = "The worker %s is ready after %.1f s on node %.8s: %s."
        logger.info(text, worker.name, monotonic() - began, worker.node, kind.bundle)
        return worker

    def _refuse_full(self, share: Resources, stream: TrackedStream) -> None:
        most, entry = self._fleet.most_workers, stream.entry
        if not fits(share_of(entry), share):
            raise FleetFullError(
                f"The stream {entry.name} takes {_shown(share_of(entry))}, more than a worker has.",
                expected=f"at most {_shown(share)}",
                fix="give fleet.worker more, or the stream less",
            )
        taken = [(worker.node, worker.share) for worker in self._board]
        if most is not None and len(taken) >= most:
            missing = f"{most} workers are the most"
        elif not self._cluster.has_room(share, taken):
            missing = f"no node has {_shown(share)} for a new one"
        else:
            return
        raise FleetFullError(
            f"The fleet is full: no worker has {_shown(share_of(entry))} for the stream {entry.name}, and "
            f"{missing}.",
            fix="add a node, remove a stream, or give streams smaller shares (fleet.stream)",
        )


def _shown(share: Resources) -> str:
    return f"{share.cpus:g} cores" + (f" and {share.gpus:g} GPUs" if share.gpus else "")


def is_due(stream: TrackedStream) -> bool:
    """Whether a stream waits for a place now."""
    return stream.standing is Standing.WAITING and monotonic() >= stream.retry_at
