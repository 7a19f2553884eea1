"""The oracle of the identity embedding: the convolution of the one-hot planes itself, in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ermu.kernels.base.identity import (
    LABELS,
    STRIDE,
    Identity,
    check_embedding,
    check_weights,
    padding_of,
)
from ermu.types import Array, LabelMap

OUTSIDE = 255  # sets no plane


class NumpyIdentity(Identity):
    """See `Identity`.

    Args:
        weight: (C, L, K, K) float32.
        bias: (C,) float32.

    Raises:
        KernelError: the weights do not fit.
    """

    def __init__(self, weight: Array, bias: Array) -> None:
        check_weights(weight, bias)
        self._side = weight.shape[3]
        self._filters = weight[:, :LABELS].reshape(len(weight), -1).T.astype(np.float64)
        self._bias = bias.astype(np.float64)

    def embed(self, label: LabelMap, out: npt.NDArray[np.float32]) -> None:
        """See `Identity.embed`; one row of the token grid at a time."""
        height, _ = check_embedding(label, out, len(self._bias))
        padded = np.pad(label, padding_of(self._side), constant_values=OUTSIDE)
        patches = sliding_window_view(padded, (self._side, self._side))[::STRIDE, ::STRIDE]
        planes = np.arange(LABELS)[:, None, None]
        for y in range(height):
            one_hot = (patches[y, :, None] == planes).reshape(patches.shape[1], -1)
            out[y] = one_hot @ self._filters + self._bias
