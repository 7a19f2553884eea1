"""Fixtures of the tests marked `gpu`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from ermu.errors import ErmuError
from ermu.runtime.bundle.bundle import Bundle

MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
GOLDEN_SIZE = (161, 289)


def no_gpu() -> str | None:
    """Why no GPU can be used here, None where one can."""
    from ermu.devices.cuda import device_capability

    try:
        device_capability()
    except ErmuError as error:
        return error.problem
    return None


def is_emulated() -> bool:
    """Whether the GPU here is the one of `tests/emulated_gpu`."""
    return "EMULATED_KERNELS" in os.environ


@pytest.fixture(scope="session", params=list(MODULES))
def tensorrt_module(request: pytest.FixtureRequest) -> str:
    """Each TensorRT that is installed and supports this GPU."""
    from ermu.devices.cuda import device_capability
    from ermu.devices.tensorrt_module import load_tensorrt
    from ermu.runtime.backends.tensorrt import unsupported_gpu

    if not find_spec(MODULES[request.param]):
        pytest.skip(f"{request.param} is not installed")
    if is_emulated() and request.param != "tensorrt":
        pytest.skip("the emulated GPU has a stand-in for tensorrt alone")
    if not is_emulated():
        for misfit in unsupported_gpu(load_tensorrt(request.param), device_capability()):
            pytest.skip(misfit.found)
    return str(request.param)


@pytest.fixture(scope="session")
def with_engines(
    bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Bundle]:
    """`with_engines("r50_aotl", "tensorrt", "fp16")`: a golden network's bundle with engines for this GPU."""
    made: dict[tuple[str, str, str], Bundle] = {}

    def built(name: str, module: str, precision: str = "fp32") -> Bundle:
        from ermu.export.engines.building import build_engines
        from ermu.export.precision.conversion import add_precision

        key = name, module, precision
        if key not in made:
            path = Path(shutil.copytree(bundle(name), tmp_path_factory.mktemp("gpu") / name))
            add_precision(path, precision)
            build_engines(path, module=module, precision=precision, sizes=[GOLDEN_SIZE], max_memory=9)
            made[key] = Bundle.load(path).at_precision(precision)
        return made[key]

    return built
