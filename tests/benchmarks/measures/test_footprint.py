"""What malloc has handed out, in a process that takes and gives back."""

from __future__ import annotations

import subprocess
import sys

import pytest

TAKES = """
import ctypes
from ermu.benchmarks.measures.footprint import Footprint

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
early = Footprint.now(0)
taken = [libc.malloc(1000) for _ in range(20_000)] + [libc.malloc(10_000_000)]
late = Footprint.now(0)
for each in taken:
    libc.free(each)
print(early.in_use, late.in_use, Footprint.now(0).in_use, late.leaked_since(early) * early.rss)
"""


def test_small_and_large_pieces_count_until_they_are_given_back() -> None:
    """20 MB in pieces of 1 kB and 10 MB in one."""
    done = subprocess.run([sys.executable, "-c", TAKES], capture_output=True, text=True, timeout=60)
    if "None" in done.stdout:
        pytest.skip("this C library does not tell")
    assert done.returncode == 0, done.stderr
    early, late, after, leaked = map(float, done.stdout.split())
    assert late - early == leaked == pytest.approx(30e6, rel=0.03)
    assert after - early < 1e6
