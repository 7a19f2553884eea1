"""What the host does for a frame, with nothing to compute: that it can be measured at all."""

from __future__ import annotations

from pathlib import Path

from ermu.benchmarks.measures.host_overhead import measure
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle


def test_it_is_measured_for_several_groups(tiny_bundle: Path) -> None:
    with open_backend(Bundle.load(tiny_bundle), threads=1) as backend:
        found = measure(backend, size=(128, 96), objects=12, frames=3, warm_up=1)
    assert set(found) == {"processor", "wall", "least"}
    assert all(0 < ms < 1000 for ms in found.values())
