"""What TensorRT and TensorRT-RTX have in common as backends: engines of every graph, opened as one."""

from __future__ import annotations

from typing import Any

from ermu.devices.cuda import CudaDevice, device_capability
from ermu.devices.tensorrt_module import MODULES, MessageLog, TensorRTModule, load_tensorrt, target_name
from ermu.errors import BackendError, ErmuError
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.backends.engine import Engine
from ermu.runtime.backends.requirements import importable, no_gpu, wrong_device
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import find_engine, read_engine, rebuild_command
from ermu.runtime.bundle.manifest import WHOLE, EngineInfo


class TensorRTBackend(Backend):
    """Runs a bundle's engines in the device's stream; a subclass names the TensorRT module.

    Raises:
        BackendError: an engine is damaged, or TensorRT does not take it; none is run.
    """

    devices = ("cuda",)
    plans = (WHOLE,)

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        """See `Backend.misfits`."""
        module, extra = MODULES[cls.name]
        found = wrong_device(cls.name, device, cls.devices) + importable(module, extra)
        found += [] if device != "cuda" else no_gpu()
        if found or bundle is None:
            return found
        here = _here(load_tensorrt(cls.name), device_capability())
        return [m for graph in bundle.manifest.plans[WHOLE].graphs for m in _missing(bundle, graph, here)]

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        assert isinstance(self.device, CudaDevice)
        with self.device.current("loading engines"):
            self._engines = self._opened(load_tensorrt(self.name), self.device)

    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        assert isinstance(self.device, CudaDevice)
        with self.device.current(f"running the engine of {graph}"):
            self._engines[graph].run(inputs, outputs)

    def _close(self) -> None:
        assert isinstance(self.device, CudaDevice)
        with self.device.current("closing engines"):
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()

    def _opened(self, module: TensorRTModule, device: CudaDevice) -> dict[str, Engine]:
        chosen = {
            name: find_engine(self.bundle, name, **_here(module, device.capability))
            for name in self.plan.graphs
        }
        log = MessageLog(module)
        runtime = module.trt.Runtime(log.logger)
        loaded = {
            name: _deserialised(runtime, module, log, self.bundle, info) for name, info in chosen.items()
        }
        scratch = device.empty((max(engine.device_memory_size_v2 for engine in loaded.values()),), "uint8")
        rebuild = rebuild_command(self.bundle, module.name)
        return {
            name: Engine(engine, name, module, device, scratch, rebuild) for name, engine in loaded.items()
        }


def _here(module: TensorRTModule, capability: tuple[int, int]) -> dict[str, str]:
    return {"module": module.name, "version": module.version, "target": target_name(capability)}


def _missing(bundle: Bundle, graph: str, here: dict[str, str]) -> list[Misfit]:
    try:
        find_engine(bundle, graph, **here)
    except ErmuError as error:
        return [Misfit(error.problem.rstrip("."), f"an engine for {error.expected}", str(error.fix))]
    return []


def _deserialised(
    runtime: Any, module: TensorRTModule, log: MessageLog, bundle: Bundle, info: EngineInfo
) -> Any:
    """An engine object; TensorRT-RTX is asked first whether it takes the header."""
    blob, fix = read_engine(bundle, info), rebuild_command(bundle, module.name, info)
    if hasattr(runtime, "get_engine_validity"):
        validity, reasons = runtime.get_engine_validity(blob)
        if validity == module.trt.EngineValidity.INVALID:
            raise BackendError(f"TensorRT-RTX refuses {info.file} (diagnostics {reasons}).", fix=fix)
    engine = runtime.deserialize_cuda_engine(blob)
    if engine is None:
        reason = log.errors[-1] if log.errors else "no reason given"
        raise BackendError(f"{module.name} {module.version} cannot load {info.file}: {reason}", fix=fix)
    return engine
