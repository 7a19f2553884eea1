"""Several segmenters on one set of graphs and weights."""

from __future__ import annotations

from typing import Any

from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter


def shared_segmenters(bundle: Bundle, count: int, *, device: str = "cpu", **options: Any) -> list[Segmenter]:
    """Segmenters that share a backend; their frames must take turns, in one thread.

    Args:
        bundle: Loaded.
        count: Of segmenters.
        device: As in `Segmenter`.
        options: As in `Segmenter`.
    """
    opened = {name: options.pop(name) for name in ("engine", "threads") if name in options}
    at_precision = bundle.at_precision(options.pop("precision", None) or bundle.manifest.precision)
    backend, kernels = open_backend(at_precision, device=device, **opened), load_kernels(device)
    return [Segmenter(at_precision, backend=backend, kernels=kernels, **options) for _ in range(count)]
