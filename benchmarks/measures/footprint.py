"""What a process holds: memory, threads, files."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import psutil

_HANDLES = Path("/proc/self/fd")
_FIELDS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc; `hblkhd` is what was mapped, `uordblks` what of the heap is in use."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


@dataclass(frozen=True)
class Footprint:
    """What this process holds.

    Attributes:
        frames: Frames segmented until now, over all streams.
        rss: Resident bytes, once malloc has given back the free pages that it keeps.
        in_use: Bytes that malloc has handed out and not got back; None where the C library does not tell.
        threads: Of the operating system.
        handles: Open files and sockets.
    """

    frames: int
    rss: int
    in_use: int | None
    threads: int
    handles: int

    @classmethod
    def now(cls, frames: int) -> Footprint:
        getattr(ctypes.CDLL(None), "malloc_trim", lambda kept: None)(0)
        process = psutil.Process()
        handles = sum(1 for _ in _HANDLES.iterdir()) if _HANDLES.is_dir() else process.num_fds()
        return cls(frames, process.memory_info().rss, _in_use(), process.num_threads(), handles)

    def leaked_since(self, early: Footprint) -> float | None:
        """What malloc has handed out more than then, over what was resident then."""
        if self.in_use is None or early.in_use is None:
            return None
        return (self.in_use - early.in_use) / early.rss


def _in_use() -> int | None:
    told = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if told is None:
        return None
    told.restype = _MallocInfo
    info = told()
    return int(info.uordblks + info.hblkhd)
