"""Identity tokens of a label map, without the one-hot planes that the network's convolution reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base.scoring import LabelMap

STRIDE = 16
FloatArray = npt.NDArray[np.float32]


class IdentityEmbedding:
    """The patch-wise identity bank (`spec/network.md`): a 17 x 17 convolution of stride 16 and padding 8.

    A label map has one label a pixel and few of them, so that the convolution of its one-hot planes is a sum
    over runs of equal labels, each a difference of two running sums of the filter: some 20 additions a token
    and channel instead of 12 * 289 products.

    Args:
        weight: (C, L, K, K) float32; plane l belongs to label l, and only labels 0..10 set a plane.
        bias: (C,) float32.
        threads: Threads per call.

    Raises:
        KernelError: the weights do not fit.
    """

    LABELS = 11

    def __init__(self, weight: FloatArray, bias: FloatArray, *, threads: int = 1) -> None:
        if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or bias.shape != weight.shape[:1]:
            raise KernelError(
                f"The identity weights are {weight.shape} with a bias {bias.shape}.",
                expected="(C, L, K, K) and (C,)",
            )
        planes = weight[:, : self.LABELS].transpose(1, 2, 3, 0).astype(np.float64)
        sums = np.pad(planes.cumsum(axis=2), ((0, 0), (0, 0), (1, 0), (0, 0)))
        self._table = np.ascontiguousarray(sums, np.float32)
        self._bias = np.ascontiguousarray(bias, np.float32)
        self._threads = threads

    def embed(self, label: LabelMap, out: FloatArray) -> None:
        """Writes a label map's tokens.

        Args:
            label: uint8 (H, W), H and W = 16 k + 1; labels above 10 and the outside of the map set no plane.
            out: (h, w, C) float32, C-contiguous, h = (H - 1) / 16 + 1, written in place.

        Raises:
            KernelError: shapes or dtypes do not fit.
        """
        grid = tuple((side - 1) // STRIDE + 1 for side in label.shape)
        if label.ndim != 2 or label.dtype != np.uint8 or out.shape != (*grid, len(self._bias)):
            raise KernelError(
                f"A label map {label.dtype} {label.shape} does not fill tokens {out.shape}.",
                expected=f"uint8 (H, W) and (h, w, {len(self._bias)})",
            )
        from ermu.kernels.cpu.library import native

        native().identity_tokens(self._table, self._bias, label, out, self._threads)
