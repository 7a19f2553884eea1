"""Work without an hour: a run's sequences as Ray tasks, each as it would be on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ermu.errors import OptionError
from ermu.evaluation.runner import Outcome, Run, work
from ermu.evaluation.sequences import VideoSequence
from ermu.fleet.cluster import Cluster, WorkerLostError
from ermu.runtime.config.schema import LOCAL, FleetSection


class RayTasks:
    """Spreads sequences over a cluster: `Run.spread`.

    One that cannot be read, or that ends its process three times, is told of and left out; the others go on.
    Label maps and scores are written by whoever makes them, so `out` is on a disk that every node reaches.

    Args:
        address: `local`, or HOST:PORT of a cluster's head.
        threads: Of each task; results are those of a run on this machine with as many.

    Raises:
        OptionError: it is no address.
        DependencyError: Ray is not installed.
    """

    def __init__(self, address: str, threads: int) -> None:
        self._fleet, self._threads = section_of(address), threads

    def __call__(self, run: Run, sequences: list[VideoSequence]) -> Iterator[tuple[str, Outcome]]:
        """Yields names and outcomes in the order in which they finish."""
        run = replace(run, out=run.out.resolve(), settings=_reached(run.settings, self._fleet))
        with Cluster(self._fleet) as cluster:
            waiting = cluster.tasks(work, run, sequences, cpus=self._threads)
            while waiting:
                for asked in cluster.answered(list(waiting), seconds=1.0, some=True):
                    sequence = waiting.pop(asked)
                    yield sequence.name, _outcome(cluster, sequence, asked)


def section_of(address: str) -> FleetSection:
    """A fleet of one address.

    Raises:
        OptionError: it is none.
    """
    try:
        return FleetSection(address=address)
    except ValueError:
        raise OptionError(
            f"'{address}' is no cluster.", expected="local, or HOST:PORT of a Ray cluster's head"
        ) from None


def _outcome(cluster: Cluster, sequence: VideoSequence, asked: Any) -> Outcome:
    try:
        outcome: Outcome = cluster.result(sequence.name, asked, seconds=60.0)
    except WorkerLostError as error:
        return f"It ends its process: {error.problem}"
    return outcome


def _reached(settings: Any, fleet: FleetSection) -> Any:
    """Settings whose bundle a node finds: a folder by its whole path."""
    bundle = settings.bundle
    if bundle is None or not Path(bundle).is_dir():
        return settings
    return replace(settings, bundle=str(Path(bundle).resolve())) if fleet.address == LOCAL else settings
