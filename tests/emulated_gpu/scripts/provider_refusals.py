"""Asks the emulated ONNX Runtime for what the real one refuses, and counts how often it waits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from ermu.devices.cuda import CudaDevice
from tests.emulated_gpu.counters import counted

CUDA = "CUDAExecutionProvider"


def session(path: Path, **options: object) -> Any:
    """A session of the provider."""
    return onnxruntime.InferenceSession(str(path), providers=[(CUDA, options)])


def main(bundle: Path) -> None:
    """The graph `encode`, from nothing bound to everything."""
    path, failure = bundle / "encode.onnx", onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException
    without_waiting = onnxruntime.RunOptions()
    without_waiting.add_run_config_entry("disable_synchronize_execution_providers", "1")
    with CudaDevice() as device:
        with pytest.raises(failure, match="Unknown provider option"):
            session(path, stream=device.stream)
        with pytest.raises(failure, match="Invalid device ID"):
            session(path, device_id=1)
        ours = session(path, user_compute_stream=device.stream)
        image = device.empty((1, 33, 49, 3), "f4")
        device.upload(np.zeros(image.shape), image)
        binding = ours.io_binding()
        run = lambda: ours.run_with_iobinding(binding, without_waiting)  # noqa: E731
        refused(run, failure, "Missing Input")
        for shape, dtype, why in (
            (image.shape, np.uint8, "Unexpected data type"),
            (image.shape[1:], np.float32, "Invalid rank"),
            ((2, *image.shape[1:]), np.float32, "invalid dimensions"),
        ):
            binding.bind_input("image", "cuda", 0, dtype, shape, image.address)
            refused(run, failure, why)
        binding.bind_input("image", "cuda", 0, np.float32, image.shape, image.address)
        refused(run, failure, "Missing Output")
        reference = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [tensor.name for tensor in reference.get_outputs()]
        expected = dict(zip(names, reference.run(names, {"image": np.zeros(image.shape, "f4")}), strict=True))
        found = {name: device.empty(array.shape, array.dtype) for name, array in expected.items()}
        for name, tensor in found.items():
            binding.bind_output(name, "cuda", 0, tensor.dtype, tensor.shape, tensor.address)
        with counted() as told:
            run()
        with counted() as untold:
            ours.run_with_iobinding(binding)
        assert (told.get("syncs", 0), untold["syncs"]) == (0, 1), (told, untold)
        name, array = next(iter(expected.items()))
        np.testing.assert_allclose(device.download(found[name]), array, atol=1e-5)
        binding.bind_output(name, "cuda", 0, array.dtype, array.shape, found[name].address)
        with device.current("capturing"), pytest.raises(failure):
            device.capture(run)


def refused(run: Any, failure: type[Exception], why: str) -> None:
    """It fails, and says why."""
    with pytest.raises(failure, match=why):
        run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
