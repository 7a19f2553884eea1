"""What was timed on this machine of a bundle as it is now, and which of it is taken."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ermu.devices.names import parse_device
from ermu.registries import BACKENDS
from ermu.runtime.bundle.bundle import BF16, FP32, Bundle
from ermu.runtime.tuning.measured import Measured, Timed
from ermu.runtime.tuning.store import load_measured, still_holds

LEAST_AGREEMENT = 0.99  # share of pixels that a precision must leave as fp32 has them, to be taken unasked

logger = logging.getLogger("ermu.backends")


def timed_here(
    bundle: Bundle, device: str, *, backend: str | None = None, threads: int | None = None
) -> list[Timed]:
    """What was timed here of a bundle's graphs as they are, by backends that still run.

    Args:
        bundle: At the precision to run.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
        backend: The only one to look at; None for all.
        threads: CPU threads of each graph and kernel; default, the processors that this process may use.
    """
    measured = load_measured(bundle, device, threads)
    return [] if measured is None else _still_timed(measured, bundle, device, backend)


def timed_at_all(
    bundle: Bundle, device: str, *, backend: str | None = None, threads: int | None = None
) -> list[Timed]:
    """The same at every precision; nothing where one of the bundle's own was not timed.

    Args:
        bundle: At its own precision; the rest as of `timed_here`.
    """
    measured = load_measured(bundle, device, threads)
    if measured is None:
        return []
    found = list[Timed]()
    for precision in [*bundle.precisions, *([BF16] if bundle.manifest.precision == FP32 else [])]:
        at_precision = bundle.at_precision(precision)
        timed = _still_timed(measured, at_precision, device, backend)
        if not timed and precision != BF16 and fitting(at_precision, device, backend):
            logger.info("%s has not been timed here: ermu tune %s", precision, bundle.path)
            return []
        found += timed
    return found


def best(timed: Iterable[Timed]) -> Timed:
    """The fastest of those that keep `LEAST_AGREEMENT` of the pixels; where none does, of all."""
    return min(timed, key=lambda each: (each.agreement < LEAST_AGREEMENT, each.frame_ms))


def fitting(bundle: Bundle, device: str, backend: str | None = None) -> list[str]:
    """Names of the backends that run a bundle on a device; arguments as of `timed_here`."""
    kind = parse_device(device).kind
    return [
        name
        for name, library in BACKENDS.loadable(logger)
        if backend in (None, name) and kind in library.devices and not library.misfits(bundle, device)
    ]


def _still_timed(measured: Measured, bundle: Bundle, device: str, backend: str | None) -> list[Timed]:
    names = fitting(bundle, device, backend)
    return [timed for timed in still_holds(measured, bundle).timed if timed.backend in names]
