"""Asks the emulated TensorRT for what the real one refuses; ends with the first thing that it takes."""

from __future__ import annotations

import sys
from pathlib import Path

import tensorrt

from ermu.devices.cuda import CudaDevice


def main(bundle: Path) -> None:
    """A context of the engine of `encode`, from nothing set to everything."""
    (file,) = (bundle / "engines").glob("encode-*.engine")
    runtime = tensorrt.Runtime(tensorrt.ILogger())
    assert runtime.deserialize_cuda_engine(b"another version") is None
    engine = runtime.deserialize_cuda_engine(file.read_bytes())
    user_managed = tensorrt.ExecutionContextAllocationStrategy.USER_MANAGED
    with CudaDevice() as device:
        context, later = (engine.create_execution_context(user_managed) for _ in range(2))
        name, shape = "image", engine.get_tensor_profile_shape("image", 0)[1]
        run = lambda: context.execute_async_v3(device.stream)  # noqa: E731
        with device.current("refusing"):
            assert later.active_optimization_profile == -1 and not later.set_input_shape(name, shape)
            assert not context.set_optimization_profile_async(1, device.stream)
            assert not context.set_input_shape(name, (*shape[:2], 4096, 3)), "outside the profile"
            assert not context.set_input_shape(name, shape[1:]), "of another rank"
            assert not run(), "no shape"
            assert context.set_input_shape(name, shape)
            assert not run(), "no addresses"
            memory = device.empty((1 << 22,), "u1")
            assert not context.set_tensor_address(name, memory.address + 16), "not aligned"
            assert not context.set_tensor_address("nothing", memory.address)
            for index in range(engine.num_io_tensors):
                assert context.set_tensor_address(engine.get_tensor_name(index), memory.address)
            assert not run(), "no scratch memory"
            context.set_device_memory(memory.address, memory.nbytes)
        taken: list[bool] = []
        device.capture(lambda: taken.append(run())).close()
        assert taken == [False], "captured before it ran"
        with device.current("running"):
            assert run()
        device.synchronize()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
