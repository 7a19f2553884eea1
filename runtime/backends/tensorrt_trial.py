"""A tiny engine, built and run in this process."""

from __future__ import annotations

from typing import Any

from ermu.devices.cuda import CudaDevice
from ermu.devices.tensorrt_module import RTX, MessageLog, TensorRTModule, target_name
from ermu.errors import BackendError
from ermu.runtime.backends.trial import GRAPH, Trial


def run_tiny_engine(module: TensorRTModule, device: CudaDevice, trial: Trial) -> None:
    """Builds an engine of the trial's graph and enqueues it.

    Raises:
        BackendError: TensorRT refuses; the message has what it said.
    """
    log = MessageLog(module)
    with device.current("trying a tiny engine out"):
        blob = _built(module, log, device)
        engine = module.trt.Runtime(log.logger).deserialize_cuda_engine(blob)
        context = engine.create_execution_context() if engine is not None else None
        if context is None:
            raise _refused(module, log, "loaded")
        addressed = all(context.set_tensor_address(name, t.address) for name, t in trial.tensors.items())
        if not (addressed and context.execute_async_v3(device.stream)):
            raise _refused(module, log, "run")
        device.synchronize()  # before the engine is gone


def _built(module: TensorRTModule, log: MessageLog, device: CudaDevice) -> Any:
    trt = module.trt
    builder = trt.Builder(log.logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser, config = trt.OnnxParser(network, log.logger), builder.create_builder_config()
    if module.name == RTX:
        config.num_compute_capabilities = 1
        config.set_compute_capability(
            getattr(trt.ComputeCapability, target_name(device.capability).upper()), 0
        )
    blob = builder.build_serialized_network(network, config) if parser.parse(GRAPH) else None
    if blob is None:
        raise _refused(module, log, "built")
    return blob


def _refused(module: TensorRTModule, log: MessageLog, what: str) -> BackendError:
    reason = log.errors[-1] if log.errors else "no reason given"
    return BackendError(f"A tiny engine cannot be {what} by {module.name} {module.version}: {reason}")
