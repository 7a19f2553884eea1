"""Who is where: the workers, what of each is taken, and where a stream would fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ermu.errors import ErmuError
from ermu.fleet.cluster import fits
from ermu.fleet.worker.settings import Kind
from ermu.runtime.config.schema import Resources, StreamEntry


class FleetFullError(ErmuError):
    """There is no room for a stream."""


@dataclass
class Worker:
    """A worker as the fleet knows it.

    Attributes:
        name: `w1` and so on.
        kind: What it runs.
        share: What it has.
        handle: By which it is asked.
        node: Its node's id.
        url: Of its server.
        pid: Of its process.
        streams: What each of its streams takes.
        alone: Whether it holds a stream that is to be alone.
        settling: The suspect that it is watched with, and until when.
        heard: When it answered last, by the monotonic clock.
        asked: Its answer that is awaited.
    """

    name: str
    kind: Kind
    share: Resources
    handle: Any
    node: str
    url: str
    pid: int
    streams: dict[str, Resources] = field(default_factory=dict)
    alone: bool = False
    settling: tuple[str, float] | None = None
    heard: float = field(default_factory=monotonic)
    asked: Any = None

    @property
    def free(self) -> Resources:
        """What none of its streams takes."""
        taken = self.streams.values()
        cpus = self.share.cpus - sum(each.cpus for each in taken)
        gpus = self.share.gpus - sum(each.gpus for each in taken)
        return Resources(cpus=max(0.0, cpus), gpus=max(0.0, gpus))

    @property
    def settles(self) -> bool:
        """Whether it is watched with a suspect now."""
        return self.settling is not None and monotonic() < self.settling[1]

    @property
    def watched(self) -> str | None:
        """The suspect that it was watched with when it was last heard of."""
        return self.settling[0] if self.settling is not None and self.heard < self.settling[1] else None


class Board:
    """The workers by name; used by one thread at a time."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def __len__(self) -> int:
        return len(self._workers)

    def put(self, worker: Worker) -> None:
        """A worker is there."""
        self._workers[worker.name] = worker

    def drop(self, worker: Worker) -> None:
        """A worker is gone."""
        self._workers.pop(worker.name, None)

    def get(self, name: str) -> Worker | None:
        """A worker by its name."""
        return self._workers.get(name)

    def holder(self, stream: str) -> Worker | None:
        """Who has a stream."""
        return next((worker for worker in self._workers.values() if stream in worker.streams), None)

    def find(
        self, entry: StreamEntry, *, alone: bool = False, suspect: bool = False, avoid: str | None = None
    ) -> Worker | None:
        """The worker with the most free cores of those that can take a stream.

        Args:
            entry: With all that its file says of it.
            alone: It must have no other stream.
            suspect: It must be watching nobody else.
            avoid: A worker that will not do.
        """
        kind, wanted = Kind.of(entry), share_of(entry)
        able = [
            worker
            for worker in self._workers.values()
            if worker.kind == kind and worker.name != avoid and not worker.alone and fits(wanted, worker.free)
        ]
        if alone:
            able = [worker for worker in able if not worker.streams]
        if suspect:
            able = [worker for worker in able if not worker.settles]
        return max(able, key=lambda worker: (worker.free.cpus, worker.free.gpus), default=None)


def share_of(entry: StreamEntry) -> Resources:
    """What a stream takes."""
    return Resources(cpus=entry.cpus or 0.0, gpus=entry.gpus or 0.0)
