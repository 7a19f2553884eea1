"""The interface of the identity embedding, and the checks of its arguments.

The patch-wise identity bank (`docs/spec/network.md`): a convolution of stride 16 over the one-hot planes of a
label map, 17 x 17 with padding 8 where grids have their corners aligned, else 16 x 16 without padding. A
label map has one label a pixel and few of them, so that the convolution is a sum over runs of equal labels,
each a difference of two running sums of the filter: some 20 additions a token and channel instead of
12 * 289 products. The compiled kernels read such a table of running sums.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base.tensor_checks import Tensor, expect_output
from ermu.types import Array

STRIDE = 16
LABELS = 11  # 0..10 set a plane; anything above sets none, nor does what lies outside the map


class Identity(ABC):
    """Identity tokens of label maps, on one device, by one bank's weights.

    Implementations are made from the weight (C, L, K, K) float32, plane l for label l, and the bias (C,)
    float32, both numpy arrays.
    """

    @abstractmethod
    def embed(self, label: Tensor, out: Tensor) -> None:
        """Writes a label map's tokens.

        Args:
            label: uint8 (H, W), sides 16 k + 1 or 16 k; labels above 10 and the outside of the map set no
                plane.
            out: (h, w, C) float32, written; h = ceil(H / 16), and w alike.

        Raises:
            KernelError: shapes or dtypes do not fit.
        """


def check_weights(weight: Array, bias: Array) -> None:
    """Raises `KernelError` unless the arrays are an identity bank's weight and bias."""
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or bias.shape != weight.shape[:1]:
        raise KernelError(
            f"The identity weights are {weight.shape} with a bias {bias.shape}.",
            expected="(C, L, K, K) and (C,)",
        )


def padding_of(side: int) -> int:
    """Rows and columns by which the first token's filter reaches beyond the map.

    A filter with an odd side is centred on the pixel 16 i of token i, one with an even side on the 16 pixels
    that begin there.
    """
    return side // 2 if side % 2 else (side - STRIDE) // 2


def running_sums(weight: Array) -> npt.NDArray[np.float32]:
    """The table of the compiled kernels: (labels, K, K + 1, C), sums of the filters along x from the left."""
    planes = weight[:, :LABELS].transpose(1, 2, 3, 0).astype(np.float64)
    sums = np.pad(planes.cumsum(axis=2), ((0, 0), (0, 0), (1, 0), (0, 0)))
    return np.ascontiguousarray(sums, np.float32)


def check_embedding(label: Tensor, out: Tensor, channels: int) -> tuple[int, int]:
    """Checks the arguments of `Identity.embed`; returns the token grid (h, w)."""
    grid = tuple((side - 1) // STRIDE + 1 for side in label.shape)
    fits = len(grid) == 2 and np.dtype(label.dtype) == np.uint8 and tuple(out.shape) == (*grid, channels)
    if not fits:
        raise KernelError(
            f"A label map {label.dtype} {tuple(label.shape)} does not fill tokens {tuple(out.shape)}.",
            expected=f"uint8 (H, W) and (h, w, {channels})",
        )
    expect_output("out", out, out.shape, np.float32)
    return grid[0], grid[1]
