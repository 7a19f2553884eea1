"""Memories on a GPU, and corrections of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
def test_they_are_those_of_the_cpu_and_are_undone_to_the_bit(
    backend: str, python: Callable, engines: Callable, clip: Callable
) -> None:
    """In between, frames run as CUDA graphs: a memory at another address is not mistaken for the old one."""
    ran = python("-m", "tests.emulated_gpu.scripts.refined", engines("aot"), clip(12), backend)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert all(found["undone"])
    assert all(found["differ"])
    assert min(found["agree"]) > 0.999


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
def test_memories_of_single_objects_are_those_of_the_cpu(
    backend: str, python: Callable, tmp_path: Path
) -> None:
    """They grow, shrink, are copied and written over while frames run as CUDA graphs; label maps too."""
    ran = python("-m", "tests.emulated_gpu.scripts.own_memories", tmp_path, backend)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert all(found["same"]) and max(found["differ"]) < 1e-4
    assert found["launches"] > 0


def test_memories_of_single_objects_are_scored_as_on_the_cpu(python: Callable, sam2_bundle: Path) -> None:
    ran = python("-m", "tests.emulated_gpu.scripts.own_scored", sam2_bundle)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert all(found["same"]) and len(found["differ"]) == 10 and max(found["differ"]) < 1e-3
