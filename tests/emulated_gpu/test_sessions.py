"""Sessions of memories on a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
def test_they_go_on_to_the_bit_there_and_within_rounding_on_the_cpu(
    backend: str, python: Callable, engines: Callable, clip: Callable
) -> None:
    ran = python("-m", "tests.emulated_gpu.scripts.saved", engines("aot"), clip(12), backend)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert all(found["same"]) and len(found["same"]) == 12
    assert min(found["agree"]) > 0.999
