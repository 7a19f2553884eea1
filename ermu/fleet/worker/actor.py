"""The actor: what the fleet asks a worker's process to do, over Ray."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ermu.errors import StateError
from ermu.fleet.worker.settings import WorkerSettings
from ermu.logs import show_log
from ermu.redaction import redact_threads
from ermu.runtime.config.schema import StreamEntry

if TYPE_CHECKING:
    from ermu.fleet.worker.host import StreamHost


class StreamWorker:
    """A `StreamHost` in a process of its own.

    Its constructor does nothing that can fail: an actor whose constructor raises is dead for good. Ray calls
    its methods from several threads.

    Args:
        settings: Of the worker.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._host: StreamHost | None = None

    def __repr__(self) -> str:
        return self._settings.name  # Ray puts it before what the process prints

    def open(self) -> dict[str, Any]:
        """Opens the backend and the server.

        Returns:
            `url`, `pid` and `node`, ready for JSON.

        Raises:
            ErmuError: as `StreamHost`.
        """
        import ray

        from ermu.fleet.worker.host import StreamHost

        settings = self._settings
        show_log(verbose=settings.verbose, form=settings.log_format, worker=settings.name)
        redact_threads()
        host = self._host = StreamHost(settings, ray.util.get_node_ip_address())
        node = ray.get_runtime_context().get_node_id()
        return {"url": host.url, "pid": os.getpid(), "node": node}

    def add(self, entry: StreamEntry) -> None:
        """See `StreamHost.add`."""
        self._open().add(entry)

    def remove(self, name: str, save: bool) -> None:
        """See `StreamHost.remove`."""
        self._open().remove(name, save=save)

    def status(self) -> dict[str, Any]:
        """See `StreamHost.status`."""
        return self._open().status()

    def close(self) -> None:
        """See `StreamHost.close`."""
        if self._host is not None:
            self._host.close()

    def _open(self) -> StreamHost:
        if self._host is None:
            raise StateError(f"The worker {self._settings.name} is not open.")
        return self._host
