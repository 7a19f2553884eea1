"""What `auto` takes: the fastest backend here, and a lower precision where it is known to cost little."""

from __future__ import annotations

import logging
import math

from ermu.devices.names import parse_device
from ermu.errors import BackendError
from ermu.registries import BACKENDS
from ermu.runtime.backends.base import Backend, Misfit
from ermu.runtime.bundle.bundle import Bundle

AUTO = "auto"
LEAST_AGREEMENT = 0.99  # share of pixels that a precision must leave as fp32 has them, to be taken unasked

logger = logging.getLogger("ermu.backends")


def choose_precision(bundle: Bundle, precision: str | None, device: str) -> str:
    """The precision to run at.

    Args:
        bundle: At its own precision.
        precision: A name, which is taken as it is; None, the bundle's own; or `auto`: of the precisions that
            `ermu build` has added, the one that some backend here runs fastest, if the stored comparison says
            that `LEAST_AGREEMENT` of the pixels stay; else the bundle's own.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
    """
    own = bundle.manifest.precision
    if precision != AUTO:
        return precision or own
    fits = {own: _rank(bundle, device)}
    for name, variant in bundle.manifest.variants.items():
        agreement = variant.comparison.pixel_agreement
        if agreement < LEAST_AGREEMENT:
            logger.info("%s is not taken: it leaves %.2f%% of the pixels.", name, 100 * agreement)
            continue
        fits[name] = _rank(bundle.at_precision(name), device)
    return max(fits, key=fits.__getitem__)


def choose_backend(bundle: Bundle, backend: str, device: str) -> str:
    """The backend to run a bundle with.

    Args:
        bundle: At the precision to run.
        backend: A name, which is taken as it is; or `auto`: of those that run the bundle here, the one that
            `Backend.rank` puts first.
        device: `cpu`, `cuda`, or `cuda:1` and so on.

    Raises:
        BackendError: `auto`, and none runs here; the message has every reason.
    """
    if backend != AUTO:
        return backend
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


def reasons_for(bundle: Bundle, backend: str, precision: str | None, device: str) -> list[str]:
    """Why a backend and a precision were taken, in a few words each; arguments as those of the choices.

    Args:
        bundle: At its own precision.
        backend: As it was asked for: a name, or `auto`.
        precision: As it was asked for: a name, None, or `auto`.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
    """
    taken, reasons = choose_precision(bundle, precision, device), []
    if precision is None:
        better = choose_precision(bundle, AUTO, device)
        reasons += [f"--precision auto would take {better}"] if better != taken else []
    elif precision == AUTO:
        agreements = {name: v.comparison.pixel_agreement for name, v in bundle.manifest.variants.items()}
        left = {name: share for name, share in agreements.items() if share < LEAST_AGREEMENT}
        reasons += [f"{name} keeps only {100 * share:.1f}% of the pixels" for name, share in left.items()]
    if backend != AUTO:
        return [*reasons, "as asked for"]
    _, misfits = _fastest(bundle.at_precision(taken), device)
    return [*reasons, *(of[0].found for of in misfits.values())] or ["the fastest here"]


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
