"""The device of the CUDA kernels' tests: fibers on this CPU, and the GPU where there is one."""

from __future__ import annotations

import pytest

from ermu.devices.gpu import GpuDevice
from tests.kernels.calls import Caller
from tests.kernels.cuda import host_device


@pytest.fixture(scope="session", params=["fibers", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> GpuDevice:
    if request.param == "gpu":
        from ermu.devices.cuda import CudaDevice
        from ermu.kernels.cuda.binary import fatbin

        gpu = CudaDevice()
        request.addfinalizer(gpu.close)
        gpu.load_module(fatbin(10 * gpu.capability[0] + gpu.capability[1]).read_bytes())
        return gpu
    if host_device.compiler() is None:
        pytest.skip("there is no g++ to run the kernels with")
    return host_device.FiberDevice(host_device.build())


@pytest.fixture(scope="session")
def cuda(device: GpuDevice) -> Caller:
    from ermu.kernels.cuda.loading import cuda_kernels

    return Caller(cuda_kernels(device), device)
