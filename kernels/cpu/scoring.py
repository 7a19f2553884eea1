"""The CPU implementation: the heavy loops in C++, the T-sized rest shared with the oracle."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base import checks
from ermu.kernels.base.relevance import picked_queries, weighted_share
from ermu.kernels.base.scoring import Array, FloatArray, KeyGram, LabelMaps
from ermu.kernels.cpu.library import native
from ermu.kernels.cpu.threads import usable_processors
from ermu.kernels.numpy.scoring import ReferenceKernels, ReferenceKeyGram

Precision = Literal["exact", "int8"]
SQA_STEP = 0.04  # spec/ermu.md, quantised scoring attention
WIDEST_CODES = 1024  # kWidest of sqa.inl

AnyScalar = TypeVar("AnyScalar", bound=np.generic)


def _dense(array: npt.NDArray[AnyScalar]) -> npt.NDArray[AnyScalar]:
    return np.ascontiguousarray(array)


class CpuKeyGram(ReferenceKeyGram):
    """Dot products in C++, in double precision; the O(T^2 D) rest is the oracle's."""

    def __init__(self, slots: int, channels: int, isa: str, threads: int) -> None:
        super().__init__(slots, channels)
        self._isa, self._threads = isa, threads

    def _measure(self, slot: int, keys: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        sums, dots = native().slot_dots(self._isa, _dense(keys), slot, self._threads)
        return sums, dots


class CpuKernels(ReferenceKernels):
    """Kernels for CPUs.

    Args:
        threads: threads per call; by default the processors that this process may use.
        isa: "avx512", "avx2" or "portable"; by default the best that the processor runs.
        precision: "exact" (fp32 arithmetic) or "int8" (quantised scoring attention, `spec/ermu.md`).

    Raises:
        KernelError: the library cannot be had, or an option is unknown here.
    """

    name = "cpu"

    def __init__(
        self, *, threads: int | None = None, isa: str | None = None, precision: Precision = "exact"
    ) -> None:
        available = native().isas()
        if isa is not None and isa not in available:
            raise KernelError(
                f"The CPU kernels have no '{isa}' here.", expected=f"one of {', '.join(available)}"
            )
        if precision not in ("exact", "int8"):
            raise KernelError(f"There is no scoring precision '{precision}'.", expected="exact or int8")
        self.isa: str = isa or available[0]
        self.threads = threads or usable_processors()
        self.precision = precision

    def frame_masses(self, query: Array, keys: Array, rows: Array, *, heads: int) -> FloatArray:
        """See `Kernels.frame_masses`."""
        checks.scoring_shape(query, keys, rows, heads)
        return self._picked_masses(query, keys, rows, np.arange(len(query), dtype=np.int32), heads)

    def relevance(
        self, query: Array, keys: Array, rows: Array, foreground: Array, *, heads: int
    ) -> FloatArray:
        """See `Kernels.relevance`; only the queries that hold the foreground are scored."""
        checks.scoring_shape(query, keys, rows, heads)
        checks.check_foreground(foreground, query.shape[0])
        picked = picked_queries(foreground)
        if len(picked) == 0:
            return np.full(len(keys), 1.0 / len(keys))
        return weighted_share(foreground[picked], self._picked_masses(query, keys, rows, picked, heads))

    def key_gram(self, slots: int, channels: int) -> KeyGram:
        """See `Kernels.key_gram`."""
        return CpuKeyGram(slots, channels, self.isa, self.threads)

    def label_from_logits(
        self, logits: Array, active: Array, source_hw: tuple[int, int], network_hw: tuple[int, int]
    ) -> LabelMaps:
        """See `Kernels.label_from_logits`; the upsampled logits exist 16 pixels at a time."""
        checks.check_label_logits(logits, active, source_hw, network_hw)
        single = _dense(logits.astype(np.float32, copy=False))
        flags = _dense(np.asarray(active)).view(np.uint8)
        checks.check_finite("logits", single[flags.view(np.bool_)])
        source, network = native().label_maps(self.isa, single, flags, source_hw, network_hw, self.threads)
        return LabelMaps(source, network)

    def _picked_masses(
        self, query: Array, keys: Array, rows: Array, picked: npt.NDArray[np.int32], heads: int
    ) -> npt.NDArray[np.float32]:
        step = SQA_STEP if self.precision == "int8" else 0.0
        if step and query.shape[1] // heads > WIDEST_CODES:
            raise KernelError(
                f"Heads have {query.shape[1] // heads} channels.", expected=f"at most {WIDEST_CODES} in int8"
            )
        single_rows = _dense(rows.astype(np.float32, copy=False))
        masses: npt.NDArray[np.float32] | None = native().frame_masses(
            self.isa, _dense(query), _dense(keys), single_rows, heads, picked, step, self.threads
        )
        if masses is None:
            raise checks.nan_found("query, keys or rows")
        return masses
