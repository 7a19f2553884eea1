"""What `auto` takes: the fastest backend here, and a lower precision where it is known to cost little.

What was timed on this machine (`ermu tune`) decides; where nothing was, the static order of `Backend.rank`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from ermu.devices.names import parse_device
from ermu.devices.processors import usable_processors
from ermu.errors import BackendError, counted
from ermu.registries import BACKENDS
from ermu.runtime.backends.base import Backend, Misfit
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.tuning.choosing import LEAST_AGREEMENT, best, timed_at_all, timed_here
from ermu.runtime.tuning.measured import Timed

AUTO = "auto"

logger = logging.getLogger("ermu.backends")


def choose_precision(
    bundle: Bundle, precision: str | None, device: str, *, backend: str = AUTO, threads: int | None = None
) -> str:
    """The precision to run at.

    Args:
        bundle: At its own precision.
        precision: A name, which is taken as it is; None, the bundle's own; or `auto`: of its own, bf16 and
            those that `ermu build` has added, the one that was timed fastest here with `LEAST_AGREEMENT` of
            the pixels kept. Where one of the bundle's has not been timed: of those whose stored comparison
            says that as many stay, the one that some backend here is ranked fastest for.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
        backend: As it was asked for: a name, or `auto` for any.
        threads: CPU threads of each graph and kernel; default, the processors that this process may use.
    """
    own = bundle.manifest.precision
    if precision != AUTO:
        return precision or own
    timed = timed_at_all(bundle, device, backend=_only(backend), threads=threads)
    if timed:
        fastest = best(timed)
        if fastest.agreement < LEAST_AGREEMENT:
            return own
        logger.info("The precision is %s: %s", fastest.precision, _said(fastest))
        return fastest.precision
    fits = {own: _rank(bundle, device)}
    for name, variant in bundle.manifest.variants.items():
        agreement = variant.comparison.pixel_agreement
        if agreement < LEAST_AGREEMENT:
            logger.info("%s is not taken: it leaves %.2f%% of the pixels.", name, 100 * agreement)
            continue
        fits[name] = _rank(bundle.at_precision(name), device)
    return max(fits, key=fits.__getitem__)


def choose_backend(bundle: Bundle, backend: str, device: str, *, threads: int | None = None) -> str:
    """The backend to run a bundle with.

    Args:
        bundle: At the precision to run.
        backend: A name, which is taken as it is; or `auto`: of those that run the bundle here, the one that
            was timed fastest on this machine, else the one that `Backend.rank` puts first.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
        threads: CPU threads of each graph and kernel; default, the processors that this process may use.

    Raises:
        BackendError: `auto`, and none runs here; the message has every reason.
    """
    if backend != AUTO:
        return backend
    timed = timed_here(bundle, device, threads=threads)
    if timed:
        fastest = best(timed)
        logger.info("The backend is %s: %s", fastest.backend, _said(fastest))
        return fastest.backend
    library, misfits = _fastest(bundle, device)
    if library is not None:
        why = f"; {', '.join(misfits)} would be faster, and do not run" if misfits else ""
        logger.info("The backend is %s%s.", library.name, why)
        return library.name
    found = "; ".join(f"{name}: {'; '.join(m.found for m in of)}" for name, of in misfits.items())
    fixes = dict.fromkeys(m.fix for of in misfits.values() for m in of)
    raise BackendError(
        f"No backend runs {bundle.path} in {bundle.manifest.precision} on {device}: {found}.",
        expected="one that does (`ermu doctor` tells)",
        fix=" or ".join(fixes),
    )


def reasons_for(
    bundle: Bundle, backend: str, precision: str | None, device: str, *, threads: int | None = None
) -> list[str]:
    """Why a backend and a precision were taken, in a few words each; arguments as those of the choices.

    Args:
        bundle: At its own precision.
        backend: As it was asked for: a name, or `auto`.
        precision: As it was asked for: a name, None, or `auto`.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
        threads: CPU threads of each graph and kernel; default, the processors that this process may use.
    """
    taken = choose_precision(bundle, precision, device, backend=backend, threads=threads)
    reasons = []
    if precision is None:
        better = choose_precision(bundle, AUTO, device, backend=backend, threads=threads)
        reasons += [f"--precision auto would take {better}"] if better != taken else []
    elif precision == AUTO:
        timed = timed_at_all(bundle, device, backend=_only(backend), threads=threads)
        reasons += _too_far_off(bundle, timed)
    if backend != AUTO:
        return [*reasons, "as asked for"]
    at_precision = bundle.at_precision(taken)
    timed = timed_here(at_precision, device, threads=threads)
    if timed:
        return [*reasons, _said(best(timed)).rstrip(".")]
    _, misfits = _fastest(at_precision, device)
    return [*reasons, *(of[0].found for of in misfits.values())] or [_unmeasured(device, threads)]


def _unmeasured(device: str, threads: int | None) -> str:
    """Times hold for a number of threads: a lane has fewer than the machine."""
    if str(parse_device(device)) != "cpu":
        return "by rank: not measured here"
    return f"by rank: not measured here for {counted(threads or usable_processors(), 'thread')}"


def _too_far_off(bundle: Bundle, timed: Sequence[Timed]) -> list[str]:
    """The precisions that `auto` passes over, and how much they keep."""
    agreements = {name: v.comparison.pixel_agreement for name, v in bundle.manifest.variants.items()}
    for each in timed:
        agreements[each.precision] = max(
            other.agreement for other in timed if other.precision == each.precision
        )
    left = {name: share for name, share in agreements.items() if share < LEAST_AGREEMENT}
    return [f"{name} keeps only {100 * share:.1f}% of the pixels" for name, share in left.items()]


def _only(backend: str) -> str | None:
    return None if backend == AUTO else backend


def _said(timed: Timed) -> str:
    return f"measured here, {timed.frame_ms:.3g} ms a frame."


def _rank(bundle: Bundle, device: str) -> float:
    """The rank of the backend that would be taken; below every other where none runs."""
    library, _ = _fastest(bundle, device)
    return library.rank(_kind(device), bundle.manifest.precision) if library is not None else -math.inf


def _fastest(bundle: Bundle, device: str) -> tuple[type[Backend] | None, dict[str, list[Misfit]]]:
    """The fastest backend that runs here, if one does; and why those that would be faster do not."""
    misfits: dict[str, list[Misfit]] = {}
    for library in _by_rank(bundle, device):
        found = library.misfits(bundle, device)
        if not found:
            return library, misfits
        misfits[library.name] = found
    return None, misfits


def _by_rank(bundle: Bundle, device: str) -> list[type[Backend]]:
    """Every backend for the device, the fastest first; one that does not load is left out."""
    kind, precision = _kind(device), bundle.manifest.precision
    libraries = [library for _, library in BACKENDS.loadable(logger) if kind in library.devices]
    return sorted(libraries, key=lambda library: -library.rank(kind, precision))


def _kind(device: str) -> str:
    return "cuda" if parse_device(device).on_gpu else "cpu"
