"""What works on this machine, what is missing or does not match, and the command that mends it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from ermu.devices.tensorrt_module import MODULES, load_tensorrt, target_name
from ermu.errors import ErmuError
from ermu.registries import BACKENDS
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import damage, misfit, rebuild_command

State = Literal["ok", "missing", "mismatch"]


@dataclass(frozen=True)
class Check:
    """One line of the examination.

    Attributes:
        name: What was looked at.
        state: ok; missing: not there; mismatch: there, but wrong or not fitting the rest.
        found: What was found.
        fix: The command that mends it, where it is not ok.
        needed: Whether running on the chosen device depends on it.
    """

    name: str
    state: State
    found: str
    fix: str | None = None
    needed: bool = False

    @property
    def fails(self) -> bool:
        """Whether the examination is failed: by what does not match, and by what is needed and missing."""
        return self.state == "mismatch" or (self.needed and self.state == "missing")


def examine(bundle: str | Path | None = None, *, device: str = "cpu") -> list[Check]:
    """Looks at everything that ERMU may use.

    Args:
        bundle: A bundle to check too, its engines against what is installed.
        device: `cpu`, or `cuda` to need a GPU and what drives it.
    """
    on_gpu = device == "cuda"
    parts: list[Callable[[], Check]] = [
        _python,
        _opencv,
        lambda: _onnxruntime(on_gpu),
        _cpu_kernels,
        lambda: _pycuda(on_gpu),
        lambda: _gpu(on_gpu),
        lambda: _cuda_kernels(on_gpu),
        *[lambda name=name: _tensorrt(name) for name in MODULES],
    ]
    checks = [part() for part in parts] + _backends(device)
    return checks + (list(_bundle(Path(bundle))) if bundle else [])


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok", found, needed=True)


def _opencv() -> Check:
    try:
        import cv2
    except ImportError as error:
        fix = "pip install --force-reinstall opencv-python-headless"
        return Check("opencv", "missing", _first_line(error), fix, needed=True)
    lines = (line.strip() for line in cv2.getBuildInformation().splitlines())
    wanted = {"FFMPEG:": "ffmpeg", "GStreamer:": "gstreamer", "GUI:": "windows"}
    words = (line.split() for line in lines)
    parts = {wanted[w[0]]: w[1] for w in words if len(w) > 1 and w[0] in wanted}
    described = ", ".join(f"{name} {state.lower()}" for name, state in parts.items())
    return Check("opencv", "ok", f"{cv2.__version__}; {described}", needed=True)


def _onnxruntime(on_gpu: bool) -> Check:
    extra = "gpu" if on_gpu else "cpu"
    try:
        import onnxruntime
    except ImportError as error:
        fix = f"pip install 'ermu[{extra}]'"
        return Check("onnxruntime", "missing", _first_line(error), fix, needed=not on_gpu)
    providers = onnxruntime.get_available_providers()
    found = f"{onnxruntime.__version__}; {', '.join(p.removesuffix('ExecutionProvider') for p in providers)}"
    both = {name for name in ("onnxruntime", "onnxruntime-gpu") if _installed(name)}
    if len(both) == 2:
        fix = f"pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'ermu[{extra}]'"
        return Check(
            "onnxruntime", "mismatch", f"{found}; both wheels installed, one over the other", fix, needed=True
        )
    if on_gpu and "CUDAExecutionProvider" not in providers:
        fix = "pip uninstall -y onnxruntime && pip install 'ermu[gpu]'"
        return Check("onnxruntime", "missing", f"{found}; no CUDA in this build", fix)
    return Check("onnxruntime", "ok", found, needed=True)


def _cpu_kernels() -> Check:
    from ermu.kernels.loading import load_kernels

    try:
        return Check("cpu kernels", "ok", load_kernels(name="cpu").name)
    except ErmuError as error:
        found, fix = _said(error, "pip install --force-reinstall ermu")
        return Check("cpu kernels", "missing", f"{found}; numpy takes their place", fix)


def _cuda_kernels(needed: bool) -> Check:
    from ermu.devices.cuda import CudaDevice
    from ermu.kernels.loading import load_kernels

    try:
        with CudaDevice() as device:
            return Check("cuda kernels", "ok", load_kernels(device).name, needed=needed)
    except (ErmuError, OSError) as error:
        found, fix = _said(error, "run on a GPU with 'ermu[gpu]' installed")
        return Check("cuda kernels", "missing", found, fix, needed)


def _backends(device: str) -> list[Check]:
    """Each backend on the device; one that runs is enough, and where none does all are failed."""
    checks = [_backend(name, device) for name in BACKENDS.names()]
    found = any(check.state == "ok" for check in checks)
    return checks if found else [replace(check, needed=True) for check in checks]


def _backend(name: str, device: str) -> Check:
    """Whether a backend runs on the device at all; a bundle may lack what it needs all the same."""
    misfits = BACKENDS.get(name).misfits(None, device)
    if not misfits:
        return Check(f"backend {name}", "ok", f"runs on {device}")
    found = "; ".join(f"{misfit.found} (needed: {misfit.needed})" for misfit in misfits)
    return Check(f"backend {name}", "missing", found, "; ".join(dict.fromkeys(m.fix for m in misfits)))


def _pycuda(needed: bool) -> Check:
    if not _installed("pycuda"):
        return Check("pycuda", "missing", "not installed", "pip install 'ermu[gpu]'", needed)
    try:
        import pycuda.driver  # noqa: F401
    except ImportError as error:
        fix = "install the NVIDIA driver, then pip install --force-reinstall --no-cache-dir pycuda"
        return Check("pycuda", "mismatch" if needed else "missing", _first_line(error), fix, needed)
    return Check("pycuda", "ok", version("pycuda"), needed=needed)


def _gpu(needed: bool) -> Check:
    from ermu.devices.cuda import device_description

    try:
        gpu = device_description()
    except ErmuError as error:
        found, _ = _said(error, None)
        return Check(
            "gpu", "missing", found, "nvidia-smi  # must list a GPU; if not, install its driver", needed
        )
    capability = ".".join(map(str, gpu["compute_capability"]))
    found = (
        f"{gpu['name']}, compute capability {capability}, {gpu['memory_bytes'] >> 20} MB, "
        f"driver for CUDA {gpu['driver']}, pycuda for CUDA {gpu['runtime']}"
    )
    if _number(gpu["driver"]) < _number(gpu["runtime"]):
        return Check(
            "gpu", "mismatch", found, "update the NVIDIA driver: it is older than pycuda's CUDA", needed
        )
    return Check("gpu", "ok", found, needed=needed)


def _tensorrt(name: str) -> Check:
    try:
        return Check(name, "ok", load_tensorrt(name).version)
    except ErmuError as error:
        found, fix = _said(error, f"pip install 'ermu[{MODULES[name][1]}]'")
        return Check(name, "missing", found, fix)


def _bundle(path: Path) -> Iterator[Check]:
    try:
        loaded = Bundle.load(path)
    except ErmuError as error:
        found, fix = _said(error, None)
        yield Check(
            "bundle", "mismatch" if (path / "manifest.json").is_file() else "missing", found, fix, needed=True
        )
        return
    network, precisions = loaded.manifest.network.name, loaded.precisions
    yield Check("bundle", "ok", f"{path}: {network}, {', '.join(precisions)}", needed=True)
    for precision in precisions:
        try:
            at_precision = loaded.at_precision(precision)
        except ErmuError as error:
            found, _ = _said(error, None)
            fix = f"ermu build --bundle {path} --precision {precision}"
            yield Check(f"{precision} graphs", "mismatch", found, fix, needed=True)
            continue
        yield from _engines(at_precision)


def _engines(bundle: Bundle) -> Iterator[Check]:
    """The engines of a bundle at one precision, each against the installed TensorRT and this GPU."""
    here = _this_gpu()
    for engine in bundle.manifest.engines:
        if engine.precision != bundle.manifest.precision:
            continue
        fix = rebuild_command(bundle, engine.module, engine)
        name = f"engine {engine.graph}, {engine.precision}, {engine.target}"
        try:
            installed = load_tensorrt(engine.module).version
        except ErmuError as error:
            yield Check(name, "missing", *_said(error, f"pip install 'ermu[{MODULES[engine.module][1]}]'"))
            continue
        problem = damage(bundle, engine) or misfit(bundle, engine, version=installed, target=here)
        if problem:
            yield Check(name, "mismatch", f"{engine.file} {problem}", fix)
        else:
            yield Check(
                name, "ok", f"{engine.module} {engine.version}, {'; '.join(map(str, engine.profiles))}"
            )


def _this_gpu() -> str | None:
    from ermu.devices.cuda import device_capability

    try:
        return target_name(device_capability())
    except ErmuError:
        return None


def _said(error: Exception, fix: str | None) -> tuple[str, str | None]:
    """An error's problem in a line, and its own way out where it has one."""
    if isinstance(error, ErmuError):
        return error.problem.splitlines()[0], error.fix if error.fix and error.fix != "ermu doctor" else fix
    return _first_line(error), fix


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _number(dotted: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(dotted).split(".")[:2])
