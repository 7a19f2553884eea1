"""The identity embedding on CPUs, by runs of equal labels in C++."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.devices.processors import usable_processors
from ermu.kernels.base.identity import Identity, check_embedding, check_weights, padding_of, running_sums
from ermu.kernels.cpu.library import native
from ermu.types import Array, LabelMap


class CpuIdentity(Identity):
    """See `Identity`.

    Args:
        weight: (C, L, K, K) float32.
        bias: (C,) float32.
        threads: Threads per call; by default the processors that this process may use.

    Raises:
        KernelError: the weights do not fit, or the library cannot be had.
    """

    def __init__(self, weight: Array, bias: Array, *, threads: int | None = None) -> None:
        check_weights(weight, bias)
        self._library = native()
        self._table, self._padding = running_sums(weight), padding_of(weight.shape[3])
        self._bias = np.ascontiguousarray(bias, np.float32)
        self.threads = threads or usable_processors()

    def embed(self, label: LabelMap, out: npt.NDArray[np.float32]) -> None:
        """See `Identity.embed`."""
        check_embedding(label, out, len(self._bias))
        self._library.identity_tokens(self._table, self._bias, self._padding, label, out, self.threads)
