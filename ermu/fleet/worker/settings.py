"""What a worker is told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field

from ermu.errors import OptionError
from ermu.runtime.config.schema import StreamEntry


@dataclass(frozen=True)
class Kind:
    """What the streams of one worker have in common.

    Attributes:
        bundle: As `Bundle.load` takes it.
        backend: Name of the library that runs its graphs, or `auto`.
        precision: None for the bundle's own.
    """

    bundle: str
    backend: str = "auto"
    precision: str | None = None

    @classmethod
    def of(cls, entry: StreamEntry) -> Kind:
        """A stream's, with all that its file says of it.

        Raises:
            OptionError: it has no bundle.
        """
        if entry.bundle is None:
            raise OptionError(
                f"Nothing says which bundle segments the stream {entry.name}.",
                fix="write bundle: into its entry, or at the top of the file for all",
            )
        return cls(entry.bundle, entry.backend or "auto", entry.precision)


@dataclass(frozen=True)
class WorkerSettings:
    """A worker's settings.

    Attributes:
        name: Of the worker.
        kind: What it runs.
        cpus: Cores that are its own; a whole number of threads, one at least, is made of them.
        gpus: GPUs, whole or in part, that are its own.
        host: Address to serve at; None, its node's.
        token: That it asks of whoever asks it.
        sessions: Folder of the sessions, which every worker reaches.
        snapshot_seconds: Between two snapshots of a stream.
        verbose: As of the command.
        log_format: As of the command.
    """

    name: str
    kind: Kind
    cpus: float
    gpus: float
    host: str | None
    token: str = field(repr=False)
    sessions: str
    snapshot_seconds: float
    verbose: bool = False
    log_format: str = "text"

    @property
    def threads(self) -> int:
        """Threads for graphs and kernels: those of its share, so that workers do not take each other's."""
        return max(1, int(self.cpus))

    @property
    def device(self) -> str:
        """Ray shows a worker its own GPUs alone, counted from 0."""
        return "cuda" if self.gpus > 0 else "cpu"
