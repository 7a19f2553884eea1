"""CUDA graphs of an engine, by the tensors they were recorded with; the least recently used leaves first."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

from ermu.devices.cuda import CapturedGraph

Key = tuple[tuple[int, tuple[int, ...]], ...]

_CAPTURE_AT = 3  # occurrences of the same shapes and addresses
_MOST_MET = 1024


@dataclass(frozen=True)
class Captured:
    """A CUDA graph and the context that it was recorded from, which must not change any more."""

    graph: CapturedGraph
    context: Any


class Captures:
    """Remembers which tensors came how often, and the graphs recorded for those that come back.

    Args:
        most: Graphs kept; addresses change when objects come and go.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._met: Counter[Key] = Counter()
        self._graphs: OrderedDict[Key, Captured] = OrderedDict()

    def find(self, key: Key) -> Captured | None:
        """The graph of these tensors, which thereby is the most recently used."""
        found = self._graphs.get(key)
        if found is not None:
            self._graphs.move_to_end(key)
        return found

    def due(self, key: Key) -> bool:
        """Counts that these tensors came without a graph, and says whether to record one now.

        The third time, and where that failed the sixth, the twelfth and so on: TensorRT-RTX may be compiling.
        """
        if len(self._met) >= _MOST_MET and key not in self._met:
            self._met.clear()
        self._met[key] += 1
        turns, rest = divmod(self._met[key], _CAPTURE_AT)
        return rest == 0 and turns & (turns - 1) == 0

    def oldest_if_full(self) -> Captured | None:
        """Takes out the least recently used graph where there is no room for another; the caller frees it."""
        return self._graphs.popitem(last=False)[1] if len(self._graphs) >= self._most else None

    def add(self, key: Key, captured: Captured) -> None:
        """Keeps a graph."""
        self._graphs[key] = captured
        del self._met[key]

    def take_all(self) -> list[Captured]:
        """Takes out every graph; the caller frees them."""
        taken = list(self._graphs.values())
        self._graphs.clear()
        self._met.clear()
        return taken
