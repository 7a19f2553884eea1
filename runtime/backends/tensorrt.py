"""What TensorRT and TensorRT-RTX have in common as backends: engines of every graph, opened as one."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from hashlib import sha256
from typing import Any

from ermu.devices.cuda import CudaDevice, device_capability
from ermu.devices.names import parse_device
from ermu.devices.repeating import RepeatingDevice
from ermu.devices.tensorrt_module import (
    MODULES,
    RTX,
    MessageLog,
    TensorRTModule,
    load_tensorrt,
    rtx_targets,
    target_name,
)
from ermu.errors import BackendError, ErmuError
from ermu.kernels.cache import cache_folder
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.backends.engine import Engine, LoadedEngine
from ermu.runtime.backends.requirements import importable, no_gpu, wrong_device
from ermu.runtime.backends.runtime_cache import RuntimeCache
from ermu.runtime.backends.tensorrt_trial import run_tiny_engine
from ermu.runtime.backends.trial import Trial
from ermu.runtime.bundle.built import EngineInfo
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import find_engine, read_engine, rebuild_command
from ermu.runtime.bundle.group_manifest import MOST_TOGETHER
from ermu.runtime.bundle.manifest import WHOLE


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
        place = parse_device(device)
        found += no_gpu(device) if place.on_gpu else []
        if found:
            return found
        capability = device_capability(place.index)
        loaded = load_tensorrt(cls.name)
        found = unsupported_gpu(loaded, capability)
        if found or bundle is None:
            return found
        here = _here(loaded, capability)
        return [m for graph in bundle.manifest.plans[WHOLE].graphs for m in _missing(bundle, graph, here)]

    @classmethod
    def try_out(cls, trial: Trial) -> str:
        """See `Backend.try_out`."""
        assert isinstance(trial.device, CudaDevice)
        run_tiny_engine(load_tensorrt(cls.name), trial.device, trial)
        return "built and ran a tiny engine"

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        assert isinstance(self.device, RepeatingDevice)
        with self.device.current("loading engines"):
            self._engines = self._opened(load_tensorrt(self.name), self.device)

    @property
    def most_together(self) -> int:
        """See `Backend.most_together`: as many as every engine was built for."""
        return self._most_together

    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        self._engines[graph].run(inputs, outputs)

    def repeating(self) -> AbstractContextManager[None]:
        """See `Backend.repeating`: CUDA graphs."""
        assert isinstance(self.device, RepeatingDevice)
        return self.device.repeating()

    def _close(self) -> None:
        assert isinstance(self.device, RepeatingDevice)
        self.device.forget_graphs()
        for engine in self._engines.values():
            with suppress(BackendError), self.device.current("closing engines"):  # a lost device refuses
                engine.close()
        self._engines.clear()

    def _opened(self, module: TensorRTModule, device: RepeatingDevice) -> dict[str, Engine]:
        chosen = {
            name: find_engine(self.bundle, name, **_here(module, device.capability))
            for name in self.plan.graphs
        }
        self._most_together = min(map(_most_together, chosen.values()))
        log = MessageLog(module)
        runtime = module.trt.Runtime(log.logger)
        loaded = []
        for name, info in chosen.items():
            engine = _deserialised(runtime, module, log, self.bundle, info)
            cache = _runtime_cache(engine, module, info, device) if module.name == RTX else None
            rebuild = rebuild_command(self.bundle, module.name, info)
            loaded.append(LoadedEngine(engine, name, module, rebuild, cache))
        scratch = device.empty((max(each.engine.device_memory_size_v2 for each in loaded),), "uint8")
        return {each.graph: Engine(each, device, scratch) for each in loaded}


def _most_together(engine: EngineInfo) -> int:
    """Groups of objects that an engine takes at once; without any, as many as there may be."""
    return max(dict(profile.most).get("G", MOST_TOGETHER) for profile in engine.profiles)


def _here(module: TensorRTModule, capability: tuple[int, int]) -> dict[str, str]:
    return {"module": module.name, "version": module.version, "target": target_name(capability)}


def unsupported_gpu(module: TensorRTModule, capability: tuple[int, int]) -> list[Misfit]:
    """TensorRT-RTX runs on RTX GPUs alone, which Hopper (9.0) and other chips of data centres are not."""
    supported = rtx_targets(module) if module.name == RTX else ()
    if module.name != RTX or target_name(capability) in supported:
        return []
    here = ".".join(map(str, capability))
    return [
        Misfit(
            f"TensorRT-RTX {module.version} does not support compute capability {here}",
            f"one of {', '.join(supported)}",
            "--backend tensorrt, or --backend onnxruntime",
        )
    ]


def _missing(bundle: Bundle, graph: str, here: dict[str, str]) -> list[Misfit]:
    try:
        find_engine(bundle, graph, **here)
    except ErmuError as error:
        return [Misfit(error.problem.rstrip("."), f"an engine for {error.expected}", str(error.fix))]
    return []


def _runtime_cache(
    engine: Any, module: TensorRTModule, info: EngineInfo, device: RepeatingDevice
) -> RuntimeCache:
    here = sha256(f"{device.label} {module.version}".encode()).hexdigest()
    return RuntimeCache(engine, cache_folder(RTX) / f"{info.sha256[:16]}-{here[:8]}.cache")


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
