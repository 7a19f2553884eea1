"""Opens the backend that was asked for, or says everything that keeps it from running here."""

from __future__ import annotations

from collections.abc import Sequence

from ermu.devices.base import Device
from ermu.devices.host import HostDevice
from ermu.devices.names import DeviceName, parse_device
from ermu.devices.processors import usable_processors
from ermu.errors import BackendError, OptionError
from ermu.kernels.loading import Kernels, load_kernels
from ermu.registries import BACKENDS
from ermu.runtime.backends.base import Backend, Misfit, Opening
from ermu.runtime.backends.choosing import AUTO, choose_backend
from ermu.runtime.bundle.bundle import BF16, Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE


def open_backend(
    bundle: Bundle,
    *,
    backend: str = AUTO,
    device: str = "cpu",
    threads: int | None = None,
    kernels: str | None = None,
    plan: str | None = None,
) -> Backend:
    """A backend with a bundle's graphs open.

    Args:
        bundle: Verified, at the precision to run.
        backend: Its name in `BACKENDS`, or `auto` for the fastest that runs here.
        device: `cpu`, `cuda`, or `cuda:1` for another than the first GPU.
        threads: CPU threads for each graph and kernel; default, the processors that this process may use.
        kernels: `numpy`, `cpu` or `cuda`; default, the best for the device.
        plan: `whole` or `external_attention`; default, the latter where attention kernels are compiled.

    Raises:
        OptionError: a name is unknown, or the plan cannot be run so.
        BackendError: it does not run here; the message has every reason.
    """
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}.", expected="at least 1")
    place = parse_device(device)
    name = choose_backend(bundle, backend, str(place), threads=threads)
    library = BACKENDS.get(name)
    if backend != AUTO:  # that has looked already
        _refuse(name, library.misfits(bundle, str(place)))
    threads = threads or usable_processors()
    opened = _open_device(place)
    try:
        loaded = load_kernels(opened, kernels, threads=threads)
        chosen = _plan(bundle, library, loaded, plan)
        return library(Opening(bundle, chosen, opened, loaded, threads))
    except BaseException:
        opened.close()
        raise


def check_lent(backend: Backend, bundle: Bundle, **own: object) -> None:
    """Refuses a backend that does not run a bundle, or options beside it: it has its own.

    Args:
        backend: Open.
        bundle: At the precision to run.
        own: Options of a backend, by name.

    Raises:
        OptionError: one or the other.
    """
    if backend.bundle.manifest != bundle.manifest:
        theirs = backend.bundle
        raise OptionError(
            f"The backend runs {theirs.path} in {theirs.manifest.precision}, "
            f"not {bundle.path} in {bundle.manifest.precision}.",
            fix="open it with the same bundle, at the same precision",
        )
    given = [name for name, value in own.items() if value is not None]
    if given:
        raise OptionError(f"{', '.join(given)}: a lent backend has its own.", fix="leave them out")


def _open_device(place: DeviceName) -> Device:
    if not place.on_gpu:
        return HostDevice()
    from ermu.devices.repeating import RepeatingDevice

    return RepeatingDevice(place.index)


def _refuse(name: str, misfits: Sequence[Misfit]) -> None:
    if misfits:
        raise BackendError(
            f"The backend {name} does not run here: {'; '.join(m.found for m in misfits)}.",
            expected="; ".join(dict.fromkeys(m.needed for m in misfits)),
            fix="; ".join(dict.fromkeys(m.fix for m in misfits)),
        )


def _plan(bundle: Bundle, library: type[Backend], kernels: Kernels, wanted: str | None) -> str:
    """The wanted plan, or the first of the library's that bundle, precision and kernels allow."""
    if wanted not in (None, WHOLE, EXTERNAL_ATTENTION):
        raise OptionError(f"Unknown plan '{wanted}'.", expected=f"{WHOLE} or {EXTERNAL_ATTENTION}")
    precision, attention = bundle.manifest.precision, kernels.attention
    possible = [plan for plan in library.plans if plan in bundle.manifest.plans]
    if attention is None or precision not in attention.precisions:
        possible = [plan for plan in possible if plan != EXTERNAL_ATTENTION]
    if precision == BF16 and not library.rounds_to_bf16:
        possible = [plan for plan in possible if plan != WHOLE]
    if kernels.name == "numpy":  # the oracle's attention is for comparing, not for speed
        possible.sort(key=lambda plan: plan != WHOLE)
    if possible and wanted in (None, *possible):
        return wanted or possible[0]
    had = ", ".join(attention.precisions) if attention is not None else "none"
    raise OptionError(
        f"{library.name} cannot run {f'the plan {wanted}' if wanted else 'this bundle'} in {precision} here "
        f"(attention kernels: {had}).",
        expected=f"--plan {' or '.join(possible)}" if possible else "another precision or backend",
        fix=None if possible else "--precision fp32, or --backend openvino for bf16",
    )
