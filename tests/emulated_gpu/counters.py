"""What the emulated driver has counted in this process; for scripts that run on it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = (
    *("uploads", "downloads", "copies", "pageable", "syncs", "allocations", "frees", "pinned_allocations"),
    *("launches", "engine_runs", "graph_launches"),
)
HELD = ("live_blocks", "live_bytes", "pinned_blocks", "contexts")


def counts(*names: str) -> dict[str, int]:
    """The counters of those names, by default all that only grow."""
    count = _library().emulated_count
    count.restype = ctypes.c_longlong
    return {name: count(name.encode()) for name in names or NAMES}


def held() -> dict[str, int]:
    """What is allocated and not freed; all zero in a process that has closed everything."""
    return counts(*HELD)


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """How much each counter grew inside, zeros left out."""
    grown: dict[str, int] = {}
    before = counts()
    yield grown
    grown.update({name: n - before[name] for name, n in counts().items() if n != before[name]})


def fail_allocation(number: int) -> None:
    """From the n-th allocation on there is no memory; 0: there always is."""
    _library().emulated_fail_allocation(ctypes.c_longlong(number))


def fail_launch(number: int) -> None:
    """The n-th launch or run of an engine from now on reads an illegal address; 0: none does."""
    _library().emulated_fail_launch(ctypes.c_longlong(number))


def pushed() -> int:
    """Contexts on this thread's stack."""
    return int(_library().emulated_pushed())


def _library() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")
