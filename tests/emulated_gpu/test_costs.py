"""What a frame costs the device, counted by the emulated driver, and what is left when memory runs out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
@pytest.mark.parametrize("objects", [1, 50])
def test_a_steady_frame(
    objects: int, backend: str, python: Callable, engines: Callable, clip: Callable
) -> None:
    """One upload, the frame; one download, the label map; one wait; nothing allocated."""
    ran = python("-m", "tests.emulated_gpu.scripts.steady", engines("aot"), clip(objects), backend, 12)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert set(found["held"].values()) == {0}
    assert found["plain"] and found["scored"]
    launched = {"graph_launches"} if backend == "tensorrt" else {"engine_runs", "launches"}
    for frame in found["plain"]:
        assert (frame["uploads"], frame["downloads"], frame["syncs"]) == (1, 1, 1)
        assert set(frame) - {"uploads", "downloads", "syncs", "copies"} == launched
        assert frame.get("graph_launches", 2) == 2  # frame to label map, and label map to memory
    for frame in found["scored"]:  # and for each group a few numbers, in and out
        groups = -(-objects // 10)
        assert frame["downloads"] == frame["syncs"] == 1 + groups
    for frame in (*found["plain"], *found["scored"]):
        assert not {"allocations", "frees", "pinned_allocations", "pageable"} & set(frame)


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
def test_memory_may_run_out_anywhere(
    backend: str, python: Callable, engines: Callable, clip: Callable
) -> None:
    """At every eighth allocation: each time one error that says so, and nothing is left behind."""
    ran = python("-m", "tests.emulated_gpu.scripts.memory_sweep", engines("aot"), clip(1), backend, 8)
    assert (ran.returncode, ran.stderr) == (0, "")
    messages = json.loads(ran.stdout)
    assert len(messages) >= 5
    assert all("ran out of memory while" in m or "Failed to allocate memory" in m for m in messages)
    assert not any("allocating 0 bytes" in message for message in messages)  # closing needs no memory
