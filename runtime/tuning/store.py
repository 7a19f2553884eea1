"""Where measurements are kept: a file in the user's cache for each bundle, device and number of threads."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from ermu.devices.installed import installed_versions
from ermu.devices.names import parse_device
from ermu.devices.processor_kind import machine_kind
from ermu.devices.processors import usable_processors
from ermu.kernels.cache import cache_folder
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.files import replace_atomically
from ermu.runtime.tuning.measured import Measured, graphs_digest

_PACKAGES = (
    *("ermu", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino"),
    *("tensorrt", "tensorrt-rtx", "tensorrt-cu12", "tensorrt-cu13"),
)

logger = logging.getLogger("ermu.backends")


def versions() -> dict[str, str]:
    """Versions of the packages that a time depends on, of those installed."""
    return installed_versions(_PACKAGES)


def measured_path(bundle: Bundle, device: str, threads: int | None) -> Path:
    """The file for a bundle at any precision; arguments as of `load_measured`."""
    place = str(parse_device(device)).replace(":", "-")
    name = f"{bundle.fingerprint[:16]}-{place}-{threads or usable_processors()}-threads.json"
    return cache_folder("tuned") / name


def save_measured(measured: Measured, path: Path) -> None:
    """Writes it, whole or not at all.

    Raises:
        SinkError: the disk is full, or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        temporary.write_text(measured.model_dump_json(indent=1) + "\n")


def load_measured(bundle: Bundle, device: str, threads: int | None = None) -> Measured | None:
    """What was measured of a bundle here; None where nothing was, or where it does not hold any more.

    What cannot be read, and what was measured on another machine, with other libraries or of other graphs,
    is left aside with a line in the log.

    Args:
        bundle: At any precision.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
        threads: CPU threads of each graph and kernel; default, the processors that this process may use.
    """
    path = measured_path(bundle, device, threads)
    try:
        found = Measured.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _leave_aside(path, f"is no measurement that can be read ({str(error).splitlines()[0]})")
        return None
    wanted = {
        "the bundle": (found.fingerprint, bundle.fingerprint),
        "the device": (found.device, str(parse_device(device))),
        "the threads": (found.threads, threads or usable_processors()),
        "the machine": (found.machine, machine_kind()),
        "the installed libraries": (found.versions, versions()),
    }
    other = [what for what, (kept, here) in wanted.items() if kept != here]
    if other:
        _leave_aside(path, f"was made with {', '.join(other)} another")
        return None
    return found


def still_holds(measured: Measured, bundle: Bundle) -> Measured:
    """The part of a measurement that is of the graphs that a bundle has now.

    Args:
        measured: Of the bundle.
        bundle: At the precision in question; what was timed at others is left out.
    """
    precision = bundle.manifest.precision
    of_it = [timed for timed in measured.timed if timed.precision == precision]
    digest = graphs_digest(bundle) if of_it else ""
    kept = tuple(timed for timed in of_it if timed.graphs == digest)
    if len(kept) < len(of_it):
        logger.info("The %s graphs of %s have changed since they were timed.", precision, bundle.path)
    return measured.model_copy(update={"timed": kept})


def _leave_aside(path: Path, why: str) -> None:
    logger.info("%s %s: the static order of backends decides, until `ermu tune` is run again.", path, why)
