"""Frames resized by others than the kernels: a product of matrices, and torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.resampling import ANTIALIASED
from tests.kernels.calls import Caller

# Sources and network inputs: enlarged, shrunk, tiny, as it is.
ANTIALIASED_SIZES = [((50, 77), (33, 49)), ((90, 161), (17, 19)), ((3, 2), (33, 33)), ((33, 49), (33, 65))]
EXACT_SIZES = [((50, 77), (33, 49)), ((50, 77), (81, 97)), ((3, 2), (33, 33)), ((33, 49), (33, 65))]


def antialiased_frame(frame: npt.NDArray[np.uint8], network_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """A BGR frame as RGB at network size by torch's antialiased interpolation in double precision."""
    import torch  # not where kernels are tried on another processor, emulated
    from torch.nn import functional

    planes = torch.from_numpy(frame[..., ::-1].transpose(2, 0, 1)[None].astype(np.float64))
    resized = functional.interpolate(planes, network_hw, mode="bilinear", antialias=True)
    return np.asarray(resized[0].numpy().transpose(1, 2, 0))


def cubic_frame(frame: npt.NDArray[np.uint8], network_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """A BGR frame as RGB at network size by Keys' cubic convolution, a = -0.75, as a product of matrices."""
    rows, columns = (_cubic_matrix(o, i) for o, i in zip(network_hw, frame.shape, strict=False))
    return np.einsum("yh,xw,hwc->yxc", rows, columns, frame[..., ::-1].astype(np.float64), optimize=True)


def antialiased_frames_are_torchs(caller: Caller, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """In single precision, and rounded to bytes."""
    frame = np.random.default_rng(6).integers(0, 256, (*sizes[0], 3), dtype=np.uint8)
    expected = antialiased_frame(frame, sizes[1])
    exact = caller.prepare_frame(frame, sizes[1], np.float32, ANTIALIASED)
    np.testing.assert_allclose(exact, expected, atol=1e-3)
    rounded = caller.prepare_frame(frame, sizes[1], np.uint8, ANTIALIASED)
    assert rounded.dtype == np.uint8 and np.abs(rounded - expected).max() <= 0.501


def _cubic_matrix(outputs: int, inputs: int) -> npt.NDArray[np.float64]:
    """(outputs, inputs); centres are half-pixel and kept in single precision, as OpenCV keeps them."""
    a, matrix = -0.75, np.zeros((outputs, inputs))
    for i in range(outputs):
        centre = float(np.float32((i + 0.5) * inputs / outputs - 0.5))
        for at in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            d = abs(centre - at)
            near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            matrix[i, min(max(at, 0), inputs - 1)] += near if d <= 1 else far if d < 2 else 0.0
    return matrix
