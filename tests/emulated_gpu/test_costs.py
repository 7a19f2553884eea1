"""What a frame costs the device, counted by the emulated driver, and what is left when memory runs out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ermu.assets import DEMO_BUNDLE


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


def test_fifty_objects_run_as_many_engines_as_ten(
    python: Callable, engines: Callable, clip: Callable
) -> None:
    """Scored frames too: what reads five banks is one engine's run."""
    script = "tests.emulated_gpu.scripts.steady"
    for objects in (10, 50):
        ran = python("-m", script, engines("aot"), clip(objects), "onnxruntime", 12)
        found = json.loads(ran.stdout)
        assert {frame["engine_runs"] for frame in (*found["plain"], *found["scored"])} == {4}


def test_engines_for_ten_objects_follow_fifty_in_turns(
    python: Callable, clip: Callable, tmp_path: Path
) -> None:
    bundle = tmp_path / "ten"
    shutil.copytree(DEMO_BUNDLE, bundle)
    options = ("--engine", "tensorrt", "--size", "97x129", "--max-memory", 6, "--max-objects", 10)
    ran = python("-m", "ermu", "build", "--bundle", bundle, *options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = python("-m", "tests.emulated_gpu.scripts.steady", bundle, clip(50), "tensorrt", 12)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(frame["graph_launches"] == 2 for frame in json.loads(ran.stdout)["plain"])


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
