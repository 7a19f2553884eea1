"""The fleet: streams that are to run, and two threads that see to it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, RLock, Thread
from time import monotonic
from typing import Any

from ermu.closing import Closing
from ermu.errors import ErmuError, OptionError
from ermu.fleet.board import Board, FleetFullError, Worker
from ermu.fleet.cluster import Cluster, WorkerLostError
from ermu.fleet.placing import Placing, is_due
from ermu.fleet.tracked import TrackedStream
from ermu.fleet.watching import Watching
from ermu.fleet.worker.kept import Kept
from ermu.fleet.worker.settings import Kind
from ermu.redaction import print_traceback
from ermu.runtime.config.schema import NAME, StreamEntry, StreamsFile
from ermu.runtime.streams.sessions.folder import SessionFolder
from ermu.runtime.streams.work.command_queue import CommandQueue

_LOOK_SECONDS = 1.0  # what workers say of their streams costs them a few milliseconds
_IDLE_SECONDS = 0.2
_CLOSE_SECONDS = 10.0

logger = logging.getLogger("ermu.fleet")


class Fleet(Closing):
    """Runs a file's streams on a cluster until it is closed; may be asked from any thread.

    Args:
        file: What to run, and how.
        cluster: Where; the caller's to close.
        verbose: What workers log.
        log_format: How.

    Raises:
        OptionError: the file names no folder for sessions, or no bundle for a stream.
        StateError: another server keeps its sessions in that folder.
        SinkError: that folder cannot be written.
    """

    def __init__(
        self, file: StreamsFile, cluster: Cluster, *, verbose: bool = False, log_format: str = "text"
    ) -> None:
        self.file, self.cluster, self.token = file, cluster, secrets.token_hex(16)
        self.sessions = sessions_of(file)
        self.streams = {entry.name: TrackedStream(file.resolved(entry)) for entry in file.streams}
        for stream in self.streams.values():
            Kind.of(stream.entry)
        self._folder = SessionFolder(self.sessions)
        self.board, self._lock, self._over, self._wake = Board(), RLock(), Event(), Event()
        self._commands, self._began = CommandQueue(), monotonic()
        host = file.fleet.worker_host or ("127.0.0.1" if cluster.local else None)
        common = {
            "host": host, "token": self.token, "sessions": str(self.sessions.resolve()),
            "snapshot_seconds": file.fleet.snapshot_seconds, "verbose": verbose, "log_format": log_format,
        }  # fmt: skip
        self._placing = Placing(cluster, self.board, self._lock, file.fleet, common)
        self._watching = Watching(cluster, self.board, self.streams, self._lock, file.fleet)
        loops = {"places": self._place_on, "watches": self._watch_on}
        self._threads = [Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()]

    def start(self) -> None:
        """Begins to place the streams, and returns at once."""
        for thread in self._threads:
            thread.start()

    def add(self, entry: StreamEntry) -> TrackedStream:
        """Takes in a stream.

        Raises:
            OptionError: its name is taken or will not do, or it has no bundle.
            FleetFullError: nowhere is room for it.
            ErmuError: it cannot be opened.
            TimeoutError: the fleet is busy placing others.
        """
        return self._commands.ask(lambda: self._add(self.file.resolved(entry)))

    def remove(self, name: str) -> None:
        """Stops a stream and forgets its session.

        Raises:
            OptionError: there is none of that name.
            ErmuError: its worker cannot let it go.
            TimeoutError: the fleet is busy placing others.
        """
        self._commands.ask(lambda: self._remove(self.stream(name)))

    def move(self, name: str, worker: str | None = None) -> str:
        """Has a stream go on in another worker, from the frame that it is at; returns that worker's name.

        Args:
            name: Of the stream.
            worker: Where to; None, wherever is room.

        Raises:
            OptionError: there is no such stream or worker.
            FleetFullError: there is no room; the stream is where it was.
            ErmuError: its session cannot be written; it is where it was.
            TimeoutError: the fleet is busy placing others.
        """
        return self._commands.ask(lambda: self._move(self.stream(name), worker))

    def stream(self, name: str) -> TrackedStream:
        """A stream; raises `OptionError` where there is none."""
        if name not in self.streams:
            raise OptionError(
                f"There is no stream '{name}'.", expected=f"one of {', '.join(self.streams) or 'none'}"
            )
        return self.streams[name]

    def holder(self, name: str) -> Worker | None:
        """The worker that has a stream, None while it has none."""
        with self._lock:
            return self.board.holder(name)

    def workers(self) -> list[Worker]:
        """Every worker."""
        with self._lock:
            return list(self.board)

    def status(self) -> dict[str, Any]:
        """Everything at a glance, ready for JSON."""
        with self._lock:
            workers = [
                {
                    "name": each.name,
                    "node": each.node,
                    "pid": each.pid,
                    "bundle": each.kind.bundle,
                    "share": each.share.model_dump(),
                    "free": each.free.model_dump(),
                    "streams": list(each.streams),
                    "silent_seconds": round(monotonic() - each.heard, 1),
                }
                for each in self.board
            ]
            streams = [stream.as_json() for stream in self.streams.values()]
        seconds = round(monotonic() - self._began, 1)
        lost = self._watching.lost_workers
        return {"seconds": seconds, "workers_lost": lost, "workers": workers, "streams": streams}

    def close(self) -> None:
        """Saves every stream and ends the workers; twice is harmless."""
        self._over.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_CLOSE_SECONDS)
        self._commands.close()
        workers = self.workers()
        asked = [self.cluster.ask(worker.handle, "close") for worker in workers]
        self.cluster.answered(asked, seconds=_CLOSE_SECONDS)
        for worker in workers:
            self.board.drop(worker)
            with suppress(Exception):
                self.cluster.end(worker.handle)
        self._folder.close()

    def _add(self, entry: StreamEntry) -> TrackedStream:
        if entry.name in self.streams or not NAME.fullmatch(entry.name):
            raise OptionError(
                f"A stream cannot be called '{entry.name}'.",
                expected="a name that no other has, of up to 32 letters, digits, - and _",
            )
        Kind.of(entry)
        stream = TrackedStream(entry)
        self._place(stream)
        with self._lock:
            self.streams[entry.name] = stream
        return stream

    def _remove(self, stream: TrackedStream) -> None:
        worker = self.holder(stream.entry.name)
        self._placing.take_out(stream, save=False)
        with self._lock:
            del self.streams[stream.entry.name]
        Kept(self.sessions, stream.entry.name).forget()
        if worker is not None:
            self._placing.tidy(worker)

    def _move(self, stream: TrackedStream, name: str | None) -> str:
        before, target = self.holder(stream.entry.name), self._placing.target(stream, name)
        self._placing.take_out(stream, save=True)
        with self._lock:
            stream.leave("It moves.")
        self._place(stream, on=target)
        if before is not None:
            self._placing.tidy(before)
        return target.name

    def _place(self, stream: TrackedStream, on: Worker | None = None) -> None:
        try:
            self._placing.place(stream, on=on)
        except WorkerLostError as error:
            worker = self.holder(stream.entry.name)
            if worker is not None:
                self._watching.lose(worker, error.problem)
            raise

    def _place_on(self) -> None:
        """The thread that places: commands first, then whoever waits, suspects last."""
        self._commands.serve(self._wake.set)
        while not self._over.is_set():
            self._wake.clear()
            self._commands.run()
            with self._lock:
                waiting = sorted(
                    filter(is_due, self.streams.values()),
                    key=lambda stream: (stream.strikes, stream.suspicions),
                )
            for stream in waiting:
                if self._over.is_set():
                    return
                self._commands.run()
                self._try(partial(self._place_waiting, stream))
            self._wake.wait(_IDLE_SECONDS)

    def _place_waiting(self, stream: TrackedStream) -> None:
        if not is_due(stream) or stream.entry.name not in self.streams:
            return
        try:
            self._place(stream)
        except WorkerLostError:
            return
        except FleetFullError as error:
            stream.wait(error.problem, soon=True)
        except (ErmuError, TimeoutError) as error:
            stream.wait(str(error))
            logger.warning("The stream %s cannot be placed: %s", stream.entry.name, error)

    def _watch_on(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._try(lambda: self._watching.look(_LOOK_SECONDS))

    def _try(self, what: Callable[[], None]) -> None:
        """Whatever Ray raises while a cluster breaks, the fleet goes on."""
        try:
            what()
        except Exception as error:
            if not self._over.is_set():
                print_traceback(error)


def sessions_of(file: StreamsFile) -> Path:
    """The folder of the sessions.

    Raises:
        OptionError: the file names none.
    """
    if file.sessions is None:
        raise OptionError(
            "A fleet keeps its streams' sessions on a disk that all of its machines reach.",
            expected="sessions: FOLDER in the file",
        )
    return Path(file.sessions)
