"""What works on this machine, what is missing or does not match, and the command that mends it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from shutil import which
from typing import Literal

from ermu.devices.installed import installed_versions
from ermu.devices.names import DeviceName, parse_device
from ermu.devices.tensorrt_module import MODULES, load_tensorrt, target_name
from ermu.errors import ErmuError, OptionError
from ermu.registries import BACKENDS
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import damage, misfit, rebuild_command
from ermu.runtime.opencv import opencv_error, opencv_wheels
from ermu.runtime.timing.other_work import BUSY
from ermu.runtime.trials import attempt, try_backend, try_kernel, try_memory
from ermu.runtime.tuning.choosing import best, timed_at_all
from ermu.runtime.tuning.store import load_measured

State = Literal["ok", "missing", "mismatch", "failed"]
RUNNING, LIVE, MAKING, GPU, BUNDLE = GROUPS = ("running", "video and live", "making bundles", "gpu", "bundle")
# Of the extras in ermu's own metadata, these are tried by checks of their own, or are not for users.
_TRIED = {"headless", "window", "cpu", "openvino", "cuda12", "cuda13", "gpu", "tensorrt", "rtx", "rtx-build"}
_OURS = {"docs", "dev"}
_MAKING = {"export", "build", "train", "eval", "bench", "sam2", "edgetam", "cutie", "formats", "hub"}
_STAND_INS = {"onnxruntime": ("onnxruntime-gpu",)}  # the same module
_REQUIREMENT = re.compile(r"""([\w.-]+)(?:\[([\w,.-]+)\])?.*;.*\bextra == ['"]([\w.-]+)['"]""")


@dataclass(frozen=True)
class Check:
    """One line of the examination.

    Attributes:
        name: What was looked at.
        state: ok: it worked when it was tried; missing: not there; mismatch: there, but wrong or not fitting
            the rest; failed: there, but it does not work.
        found: What was found.
        fix: The command that mends it, where it is not ok.
        needed: Whether running on the chosen device depends on it.
        group: What it is for, one of `GROUPS`.
    """

    name: str
    state: State
    found: str
    fix: str | None = None
    needed: bool = False
    group: str = RUNNING

    @property
    def fails(self) -> bool:
        """Whether the examination is failed: by a mismatch, and by what is needed and does not work."""
        return self.state == "mismatch" or (self.needed and self.state in ("missing", "failed"))


def examine(bundle: str | Path | None = None, *, device: str = "cpu") -> list[Check]:
    """Looks at everything that ERMU may use.

    Args:
        bundle: A bundle to check too, its engines against what is installed.
        device: `cpu`, or `cuda` to need a GPU and what drives it; `cuda:1` for another than the first.

    Raises:
        OptionError: there is no such device.
    """
    place = parse_device(device)
    on_gpu = place.on_gpu
    checks = [_python(), _opencv(), _onnxruntime(on_gpu), _cpu_kernels(), *_backends(place)]
    checks += _extras()
    if on_gpu or _may_have_gpu():
        gpu = _gpu(place)
        parts = [gpu, _cuda_kernels(place, gpu), *map(_tensorrt, MODULES)]
        checks += [replace(check, group=GPU) for check in parts]
    if bundle:
        checks += [replace(check, group=BUNDLE) for check in _bundle(str(bundle), place)]
    return checks


def _may_have_gpu() -> bool:
    """Whether this machine shows any sign of an NVIDIA GPU: a driver's device, or its tool."""
    devices = ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg", "/proc/driver/nvidia")
    return any(Path(d).exists() for d in devices) or bool(which("nvidia-smi"))


def _extras() -> list[Check]:
    """Every extra whose packages nothing else here tries; found, not imported, since some take seconds."""
    try:
        wanted = requires("ermu") or []
    except PackageNotFoundError:  # from a folder of sources
        wanted = []
    packages = dict[str, dict[str, str]]()
    for extra, name, within in filter(None, map(_of_extra, wanted)):
        packages.setdefault(extra, {})[name] = within
    return [_extra(extra, packages) for extra in packages if extra not in _TRIED | _OURS]


def _of_extra(requirement: str) -> tuple[str, str, str] | None:
    """Extra, package and the package's own extras of a requirement; None where it is of no extra."""
    found = _REQUIREMENT.match(requirement)
    return None if found is None else (found[3], found[1], found[2] or "")


def _extra(extra: str, packages: Mapping[str, Mapping[str, str]]) -> Check:
    group = MAKING if extra in _MAKING else LIVE
    own = [name for name in packages[extra] if name != "ermu"]
    within = [each for each in packages[extra].get("ermu", "").split(",") if each]
    every = [*own, *(name for each in within for name in packages[each] if name != "ermu")]
    missing = [name for name in dict.fromkeys(every) if not _installed(name, *_STAND_INS.get(name, ()))]
    if missing:
        found = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        return Check(extra, "missing", found, f"pip install 'ermu[{extra}]'", group=group)
    there = [f"{name} {version(name)}" if _installed(name) else _STAND_INS[name][0] for name in own]
    return Check(extra, "ok", ", ".join([*there, *(f"all of {each}" for each in within)]), group=group)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok", found, needed=True)


def _opencv() -> Check:
    error = opencv_error()
    if error is not None:
        return Check("opencv", "missing", *_said(error, None), needed=True)
    import cv2

    wheels = opencv_wheels()
    if len(wheels) > 1:
        found = f"{cv2.__version__}; {' and '.join(wheels)} installed, one over the other"
        fix = f"pip uninstall -y {' '.join(wheels)} && pip install 'ermu[headless]'  # or ermu[window]"
        return Check("opencv", "mismatch", found, fix, needed=True)
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


def _cuda_kernels(place: DeviceName, gpu: Check) -> Check:
    """One is launched where there is a GPU."""
    if gpu.state != "ok":
        return Check("cuda kernels", "missing", "no GPU to launch one on", gpu.fix, place.on_gpu)
    error = attempt(lambda: try_kernel(place))
    if error is not None:
        found, fix = _said(error, "rerun with ERMU_CUDA_SYNC=1 and report this message")
        return Check("cuda kernels", "failed", found, fix, place.on_gpu)
    return Check("cuda kernels", "ok", "one was launched: numpy's numbers", needed=place.on_gpu)


def _backends(place: DeviceName) -> list[Check]:
    """Each backend for the device; one that runs is enough, and where none does all are failed."""
    checks = [check for name in BACKENDS.names() if (check := _backend(name, place))]
    found = any(check.state == "ok" for check in checks)
    return checks if found else [replace(check, needed=True) for check in checks]


def _backend(name: str, place: DeviceName) -> Check | None:
    """Whether a backend runs on the device at all; a bundle may lack what it needs all the same.

    None where it is not for that device.
    """
    try:
        backend = BACKENDS.get(name)
    except OptionError as error:  # a package of somebody else's
        return Check(f"backend {name}", "missing", *_said(error, None))
    if place.kind not in backend.devices:
        return None
    misfits = backend.misfits(None, str(place))
    if not misfits:
        return _tried(name, backend, place)
    found = "; ".join(f"{misfit.found} (needed: {misfit.needed})" for misfit in misfits)
    return Check(f"backend {name}", "missing", found, "; ".join(dict.fromkeys(m.fix for m in misfits)))


def _tried(name: str, backend: type[Backend], place: DeviceName) -> Check:
    """A backend that nothing speaks against, once it has run something."""
    done: list[str | None] = []
    error = attempt(lambda: done.append(try_backend(backend, place)))
    if error is not None:
        found, fix = _said(error, f"pip install --force-reinstall the packages of --backend {name}")
        return Check(f"backend {name}", "failed", f"does not run on {place}: {found}", fix)
    return Check(f"backend {name}", "ok", f"{done[0] or 'nothing speaks against it'}, on {place}")


def _gpu(place: DeviceName) -> Check:
    from ermu.devices.cuda import device_description

    needed = place.on_gpu
    try:
        gpu = device_description(place.index)
    except ErmuError as error:
        found, _ = _said(error, None)
        return Check(
            "gpu", "missing", found, "nvidia-smi  # must list a GPU; if not, install its driver", needed
        )
    capability = ".".join(map(str, gpu["compute_capability"]))
    found = (
        f"{gpu['name']}, compute capability {capability}, {gpu['memory_bytes'] >> 20} MB, "
        f"driver for CUDA {gpu['driver']}"
    )
    failure = attempt(lambda: try_memory(place))
    if failure is not None:
        said, fix = _said(failure, "nvidia-smi  # is it free, and well?")
        return Check("gpu", "failed", f"{found}; {said}", fix, needed)
    return Check("gpu", "ok", f"{found}; holds and gives back a megabyte", needed=needed)


def _tensorrt(name: str) -> Check:
    try:
        return Check(name, "ok", load_tensorrt(name).version)
    except ErmuError as error:
        found, fix = _said(error, f"pip install 'ermu[{MODULES[name][1]}]'")
        return Check(name, "missing", found, fix)


def _bundle(path: str, place: DeviceName) -> Iterator[Check]:
    try:
        loaded = Bundle.load(path)
    except ErmuError as error:
        found, fix = _said(error, None)
        here = Path(path, "manifest.json").is_file()
        yield Check("bundle", "mismatch" if here else "missing", found, fix, needed=True)
        return
    network, precisions = loaded.manifest.network.name, loaded.precisions
    yield Check("bundle", "ok", f"{path}: {network}, {', '.join(precisions)}", needed=True)
    yield _auto(loaded, place)
    for precision in precisions:
        try:
            at_precision = loaded.at_precision(precision)
        except ErmuError as error:
            found, _ = _said(error, None)
            fix = f"ermu build {loaded.build_options} --precision {precision}"
            yield Check(f"{precision} graphs", "mismatch", found, fix, needed=True)
            continue
        yield from _engines(at_precision, place)


def _auto(bundle: Bundle, place: DeviceName) -> Check:
    """What `auto` goes by: what was timed on this machine, or the static order of backends."""
    try:
        timed = timed_at_all(bundle, str(place))
    except ErmuError:  # of a precision whose files are damaged, which has a line of its own
        timed = []
    if not timed:
        found = "not timed on this machine as it is now: the static order of backends decides"
        return Check("auto", "missing", found, f"ermu tune {bundle.address or bundle.path}")
    taken = [best(each for each in timed if each.precision == bundle.manifest.precision), best(timed)]
    said = [f"{each.backend} in {each.precision}, {each.frame_ms:.3g} ms a frame" for each in taken]
    measured = load_measured(bundle, str(place))
    busy = (measured and measured.others_cores) or 0.0
    doubt = f" (while other processes kept {busy:.1f} cores busy)" if busy > BUSY else ""
    return Check("auto", "ok", f"by times measured here{doubt}: {said[0]}; --precision auto: {said[1]}")


def _engines(bundle: Bundle, place: DeviceName) -> Iterator[Check]:
    """The engines of a bundle at one precision, each against the installed TensorRT and this GPU."""
    here = _this_gpu(place)
    for engine in bundle.manifest.engines:
        if engine.precision != bundle.manifest.precision:
            continue
        fix = rebuild_command(bundle, engine.module, engine, target=here)
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


def _this_gpu(place: DeviceName) -> str | None:
    from ermu.devices.cuda import device_capability

    try:
        return target_name(device_capability(place.index))
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


def _installed(*packages: str) -> bool:
    """Whether one of them is."""
    return bool(installed_versions(packages))
