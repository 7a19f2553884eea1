"""A worker's streams: one backend, one thread that gives turns, one server, one that takes snapshots."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from threading import Event, RLock, Thread
from typing import Any

from ermu.closing import Closing
from ermu.errors import DeviceLostError, ErmuError, OptionError, StateError
from ermu.fleet.worker.hosted import HostedStream
from ermu.fleet.worker.settings import WorkerSettings
from ermu.redaction import print_traceback
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.config.schema import StreamEntry
from ermu.runtime.serve.access.connections import ConnectionLimits
from ermu.runtime.serve.app import create_app
from ermu.runtime.serve.guard import Access
from ermu.runtime.serve.server import Server
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.streams.prompters import Prompters
from ermu.runtime.streams.work.recovery import Recovery
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.runtime.streams.work.shared_backend import SharedBackend

_BROKEN = 70  # EX_SOFTWARE of sysexits.h
_ALL = 1e6  # requests a second: the front, which asks for everybody, has limits of its own

logger = logging.getLogger("ermu.fleet")


class LiveStreams(Mapping[str, ServedStream]):
    """Streams by name that come and go while others read: each change is a new dict."""

    def __init__(self) -> None:
        self._now: dict[str, ServedStream] = {}

    def put(self, name: str, stream: ServedStream) -> None:
        """A stream has come."""
        self._now = {**self._now, name: stream}

    def drop(self, name: str) -> None:
        """A stream has left."""
        self._now = {known: stream for known, stream in self._now.items() if known != name}

    def __getitem__(self, name: str) -> ServedStream:
        return self._now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)


class StreamHost(Closing):
    """Holds streams until it is closed; may be asked from any thread.

    Args:
        settings: Of the worker.
        address: Of the node that it runs on.

    Raises:
        ErmuError: the bundle, the backend or the address cannot be had.
    """

    def __init__(self, settings: WorkerSettings, address: str) -> None:
        self._settings, self._lock, self._over = settings, RLock(), Event()
        self._streams, self._hosted = LiveStreams(), dict[str, HostedStream]()
        kind, ready = settings.kind, Event()
        with ExitStack() as opening:
            bundle, recovery = Bundle.load(kind.bundle), Recovery()
            own: dict[str, Any] = {
                "device": settings.device,
                "threads": settings.threads,
                "recovery": recovery,
            }
            self._prompters = opening.enter_context(Prompters(bundle.manifest, **own))
            own |= {"backend": kind.backend, "precision": kind.precision}
            self._shared = opening.enter_context(SharedBackend(bundle, 0, **own))
            self._scheduler = Scheduler([], endless=True, shared=self._shared)
            access = Access(token=settings.token, local_only=False, rate=_ALL, burst=_ALL)
            limits = ConnectionLimits(waiting=4096, waiting_per_address=4096, admitted=4096)
            app = create_app(self._streams, access)
            self._server = opening.enter_context(
                Server(app, host=settings.host or address, port=0, limits=limits)
            )
            self._turns = Thread(target=self._work, args=(ready.set,), name="turns", daemon=True)
            self._turns.start()
            ready.wait()
            Thread(target=self._snapshots, name="snapshots", daemon=True).start()
            self._stack = opening.pop_all()

    @property
    def url(self) -> str:
        """Where its server is."""
        return self._server.url

    def add(self, entry: StreamEntry) -> None:
        """Takes in a stream, from its session on where it has one.

        Raises:
            ErmuError: it is here already, or cannot be opened.
        """
        with self._lock:
            if entry.name in self._hosted:
                raise OptionError(f"The stream {entry.name} is here already.")
            hosted = HostedStream(entry, self._settings, self._shared, self._prompters, self._scheduler)
            self._hosted[entry.name] = hosted
            self._scheduler.add(hosted.pipeline)
            self._streams.put(entry.name, hosted.served)

    def remove(self, name: str, *, save: bool) -> None:
        """Lets a stream go.

        Args:
            name: Of the stream.
            save: Whether it goes on elsewhere, from here on.

        Raises:
            StateError: it is not here.
            ErmuError: its session cannot be written; it goes on here.
        """
        with self._lock:
            hosted = self._hosted.get(name)
            if hosted is None:
                raise StateError(f"The stream {name} is not here.")
            if save:
                hosted.save()  # so that it stays where it cannot be
            self._drop(hosted, save=save)

    def status(self) -> dict[str, Any]:
        """Small records of the streams, ready for JSON."""
        return {name: hosted.status() for name, hosted in dict(self._hosted).items()}

    def close(self) -> None:
        """Saves every stream and stops; twice is harmless."""
        self._over.set()
        with self._lock:
            for name in list(self._hosted):
                try:
                    self.remove(name, save=True)
                except (ErmuError, TimeoutError) as error:
                    logger.warning("The stream %s could not be saved at the end: %s", name, error)
            self._scheduler.stop()
            self._turns.join()
            self._stack.close()

    def _drop(self, hosted: HostedStream, *, save: bool = False) -> None:
        name = hosted.entry.name
        self._streams.drop(name)
        del self._hosted[name]
        try:
            hosted.stop(save=save)
        except ErmuError as error:
            logger.warning("The stream %s has not ended well: %s", name, error)

    def _work(self, ready: Any) -> None:
        try:
            self._scheduler.run(on_turn=ready)
        except DeviceLostError as error:
            print_traceback(error)
            os._exit(error.exit_code)
        except ErmuError:  # of a stream that has failed, which its state tells
            return
        except BaseException as error:
            print_traceback(error)
            os._exit(_BROKEN)

    def _snapshots(self) -> None:
        while not self._over.wait(self._settings.snapshot_seconds):
            for name, hosted in dict(self._hosted).items():
                try:
                    if not hosted.save():
                        self._give_up(name)
                except (ErmuError, TimeoutError) as error:
                    logger.warning("The stream %s could not be saved: %s", name, error)

    def _give_up(self, name: str) -> None:
        """This worker was taken for dead, and the stream goes on elsewhere."""
        logger.warning("The stream %s is another worker's now, and ends here.", name)
        with self._lock:
            if name in self._hosted:
                self._drop(self._hosted[name])
