"""CUDA graphs by the work they were recorded from; the least recently used leaves first."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

CAPTURE_AT = 3  # occurrences of the same work
_MOST_MET = 1024


class Graph(Protocol):
    """Recorded work."""

    def launch(self) -> None:
        """Enqueues it."""

    def close(self) -> None:
        """Frees it."""


@dataclass(frozen=True)
class Captured:
    """A CUDA graph, and what it was recorded from, which must neither change nor go."""

    graph: Graph
    kept: object


class Captures:
    """Remembers which work came how often, and the graphs recorded of what comes back.

    Args:
        most: Graphs kept; addresses change when objects come and go.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._met: Counter[Hashable] = Counter()
        self._graphs: OrderedDict[Hashable, Captured] = OrderedDict()

    def find(self, key: Hashable) -> Captured | None:
        """The graph of this work, which thereby is the most recently used."""
        found = self._graphs.get(key)
        if found is not None:
            self._graphs.move_to_end(key)
        return found

    def due(self, key: Hashable) -> bool:
        """Counts that this work came without a graph, and says whether to record one now.

        The third time, and where that failed the sixth, the twelfth and so on: TensorRT-RTX may be compiling.
        """
        if len(self._met) >= _MOST_MET and key not in self._met:
            self._met.clear()
        self._met[key] += 1
        turns, rest = divmod(self._met[key], CAPTURE_AT)
        return rest == 0 and turns & (turns - 1) == 0

    def oldest_if_full(self) -> Captured | None:
        """Takes out the least recently used graph where there is no room for another; the caller frees it."""
        return self._graphs.popitem(last=False)[1] if len(self._graphs) >= self._most else None

    def add(self, key: Hashable, captured: Captured) -> None:
        """Keeps a graph."""
        self._graphs[key] = captured
        del self._met[key]

    def take_all(self) -> list[Captured]:
        """Takes out every graph; the caller frees them."""
        taken = list(self._graphs.values())
        self._graphs.clear()
        self._met.clear()
        return taken
