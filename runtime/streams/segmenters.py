"""Several segmenters on one set of graphs and weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ermu.runtime.backends.choosing import choose_precision
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter

OF_THE_BACKEND = ("backend", "device", "threads", "kernels", "plan")


@contextmanager
def open_segmenters(bundle: Bundle, count: int, **options: Any) -> Iterator[list[Segmenter]]:
    """Segmenters that share a backend, closed with it at the end; their frames take turns, in one thread.

    Args:
        bundle: Loaded.
        count: Of segmenters.
        options: As in `Segmenter`.
    """
    of_backend = {name: options.pop(name) for name in OF_THE_BACKEND if name in options}
    precision = choose_precision(bundle, options.pop("precision", None), of_backend.get("device", "cpu"))
    at_precision = bundle.at_precision(precision)
    with open_backend(at_precision, **of_backend) as backend:
        segmenters = [Segmenter(at_precision, backend=backend, **options) for _ in range(count)]
        try:
            yield segmenters
        finally:
            for segmenter in segmenters:
                segmenter.close()
