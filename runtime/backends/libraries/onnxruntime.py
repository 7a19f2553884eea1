"""ONNX Runtime: on the CPU, and on CUDA where its provider really loads."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stdout
from functools import cache, lru_cache, partial
from typing import Any

from ermu.devices.base import Device
from ermu.devices.cuda import CudaDevice
from ermu.devices.driver.context import LESS_MEMORY
from ermu.devices.gpu import GpuDevice
from ermu.devices.graphs.recorder import Work
from ermu.devices.names import parse_device
from ermu.errors import BackendError
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.backends.bindings import ALIGNMENT, Bindings, Key
from ermu.runtime.backends.requirements import importable, no_gpu, wrong_precision
from ermu.runtime.backends.trial import GRAPH, Trial
from ermu.runtime.bundle.bundle import BF16, Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE

logger = logging.getLogger("ermu.backends")

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeBackend(Backend):
    """A session for each graph, reading and writing tensors where they are.

    Every graph is opened at once, so that a broken one is noticed before the first frame. On CUDA all work
    goes into the device's own stream, and no run waits for it.
    """

    name = "onnxruntime"
    help = "ONNX Runtime, on the CPU or through CUDA"
    devices = ("cpu", "cuda")
    plans = (EXTERNAL_ATTENTION, WHOLE)

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        """See `Backend.misfits`."""
        on_gpu = parse_device(device).on_gpu
        found = importable("onnxruntime", "gpu" if on_gpu else "cpu")
        if on_gpu:
            found += no_gpu(device) + ([] if found else _no_cuda_provider())
            found += wrong_precision(bundle, device, (BF16,))
        return found

    @classmethod
    def rank(cls, device: str, precision: str) -> int:
        """See `Backend.rank`: on the CPU its int8 is slower than its fp32."""
        fastest = "fp16" if device == "cuda" else "fp32"
        return 3 if precision == fastest else 2

    @classmethod
    def try_out(cls, trial: Trial) -> str:
        """See `Backend.try_out`; the provider must really be taken."""
        import onnxruntime

        place, options = _provider(trial.device)
        wanted, settings = PROVIDERS[place], onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(GRAPH, settings, providers=[(wanted, options)])
        if wanted not in session.get_providers():
            raise BackendError(f"{wanted} was not taken but {', '.join(session.get_providers())}.")
        x, y = ({name: trial.tensors[name]} for name in "xy")
        session.run_with_iobinding(_bound(session, trial.device, x, y))
        return f"ran a tiny graph through {wanted}"

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._place, self._options = _provider(self.device)
        self._sessions = {name: self._session(name, opening.threads) for name in self.plan.graphs}
        alignment = 1 if self._place == "cpu" else ALIGNMENT
        self._bindings = {
            name: Bindings(self.device, partial(self._bind, session), alignment=alignment)
            for name, session in self._sessions.items()
        }
        self._run_options = self._without_waiting() if self._place == "cuda" else None

    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        binding = self._bindings[graph].of(inputs, outputs)
        if isinstance(self.device, GpuDevice):
            binding.enqueue(self.device, Work(graph, partial(self._compute, graph, binding.bound)))
        else:
            self._compute(graph, binding.bound)

    def _compute(self, graph: str, binding: Any) -> None:
        try:
            self._sessions[graph].run_with_iobinding(binding, self._run_options)
        except Exception as error:  # onnxruntime's exception types share no public base
            fix = LESS_MEMORY if "allocate memory" in str(error) else None
            where = f" on {self.device.label}" if isinstance(self.device, CudaDevice) else ""
            raise BackendError(f"Graph {graph} failed in ONNX Runtime{where}: {error}", fix=fix) from error

    def _bind(self, session: Any, key: Key, inputs: Tensors, outputs: Tensors) -> Any:
        return _bound(session, self.device, inputs, outputs)

    def _close(self) -> None:
        self._bindings.clear()
        self._sessions.clear()

    def _session(self, graph: str, threads: int) -> Any:
        import onnxruntime

        provider, path = PROVIDERS[self._place], self.bundle.graph_path(graph)
        try:
            session = onnxruntime.InferenceSession(
                str(path), self._settings(onnxruntime, threads), providers=[(provider, self._options)]
            )
        except Exception as error:  # as above
            version = onnxruntime.__version__
            raise BackendError(f"ONNX Runtime {version} cannot open {path}: {error}") from error
        if provider not in session.get_providers():
            raise BackendError(
                f"ONNX Runtime did not load {provider} but {', '.join(session.get_providers())}.",
                fix="run with --device cpu, or install 'ermu[gpu]' with a CUDA driver (`ermu doctor` tells)",
            )
        return session

    def _without_waiting(self) -> Any:
        """Work is in order in the device's stream: nobody need wait for a graph before the next begins."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        return options

    def _settings(self, onnxruntime: Any, threads: int) -> Any:
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        settings.intra_op_num_threads = threads
        # Graphs take turns, so a pool that spins after its graph has ended steals cores from the next graph.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._place == "cpu":
            # Without VNNI the fast products of bytes overflow: int8 lost 0.017 J on AVX2, 0.0006 with VNNI.
            settings.add_session_config_entry("session.x64quantprecision", "1")
            _share_arena(onnxruntime)
            settings.add_session_config_entry("session.use_env_allocators", "1")
            settings.enable_mem_pattern = False  # would hold each graph's largest frame for itself
        return settings


def _provider(device: Device) -> tuple[str, dict[str, str]]:
    """Name of the device's kind, and its provider's options: all work goes into the device's stream."""
    if not isinstance(device, CudaDevice):
        return "cpu", {}
    load_cuda_libraries()
    return "cuda", {"device_id": str(device.index), "user_compute_stream": str(device.stream)}


def _bound(session: Any, device: Device, inputs: Tensors, outputs: Tensors) -> Any:
    """A binding of a session to tensors where they lie."""
    binding, (kind, options) = session.io_binding(), _provider(device)
    place = kind, int(options.get("device_id", 0))
    for name, tensor in inputs.items():
        binding.bind_input(name, *place, tensor.dtype, tensor.shape, tensor.address)
    for name, tensor in outputs.items():
        binding.bind_output(name, *place, tensor.dtype, tensor.shape, tensor.address)
    return binding


@cache
def load_cuda_libraries() -> None:
    """Loads CUDA and cuDNN from NVIDIA's wheels, else from the system, before a session looks for them.

    What ONNX Runtime prints of libraries that it does not find is logged. Before 1.21 it looks for itself.
    """
    import onnxruntime

    with redirect_stdout(io.StringIO()) as said:
        getattr(onnxruntime, "preload_dlls", lambda: None)()
    for line in said.getvalue().splitlines():
        logger.info("ONNX Runtime: %s", line)


@lru_cache(maxsize=1)
def _share_arena(onnxruntime: Any) -> None:
    """One arena for all sessions: graphs that take turns need the largest one's memory, not the sum."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    unlimited, as_requested, default = 0, 1, -1
    onnxruntime.create_and_register_allocator(
        memory, onnxruntime.OrtArenaCfg(unlimited, as_requested, default, default)
    )


def _no_cuda_provider() -> list[Misfit]:
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    if PROVIDERS["cuda"] in providers:
        return []
    return [
        Misfit(
            f"this ONNX Runtime has {', '.join(p.removesuffix('ExecutionProvider') for p in providers)}",
            "one built with CUDA",
            "pip uninstall -y onnxruntime && pip install 'ermu[gpu]'",
        )
    ]


PLUGIN = OnnxRuntimeBackend
