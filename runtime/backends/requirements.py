"""What backends need of a machine and a bundle, each as the list of reasons that speak against it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from ermu.devices.names import parse_device
from ermu.errors import ErmuError
from ermu.runtime.backends.base import Misfit
from ermu.runtime.bundle.bundle import Bundle


def importable(module: str, extra: str) -> list[Misfit]:
    """The module must load; `extra` of ermu installs it."""
    try:
        import_module(module)
    except ModuleNotFoundError:
        return [Misfit(f"{module} is not installed", f"the package {module}", f"pip install 'ermu[{extra}]'")]
    except (ImportError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return [Misfit(f"{module} does not load: {reason}", f"a working {module}", "ermu doctor")]
    return []


def no_gpu(device: str) -> list[Misfit]:
    """There must be a GPU of that name which answers."""
    from ermu.devices.cuda import device_capability

    try:
        device_capability(parse_device(device).index)
    except ErmuError as error:
        reason = error.problem.splitlines()[0].rstrip(".")
        return [Misfit(reason, "an NVIDIA GPU with its driver", "--device cpu, or install the driver")]
    return []


def wrong_device(name: str, device: str, devices: Sequence[str]) -> list[Misfit]:
    """The library must run on that device."""
    if parse_device(device).kind in devices:
        return []
    return [Misfit(f"{name} does not run on {device}", f"--device {devices[0]}", f"--device {devices[0]}")]


def wrong_precision(bundle: Bundle | None, device: str, refused: Sequence[str]) -> list[Misfit]:
    """The bundle's precision must be one that something computes in there."""
    if bundle is None or bundle.manifest.precision not in refused:
        return []
    precision = bundle.manifest.precision
    return [Misfit(f"nothing computes in {precision} on {device}", "another precision", "--precision fp16")]
