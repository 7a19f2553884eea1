"""The interface of the pixel work around the network, and the checks of its arguments.

Shapes use G for groups of ten objects and C <= 11 for a group's channels (background and ten ids). Tensors
are what `Device.kernel_argument` gives; results are written into those given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base.nv12 import Nv12, bgr_of
from ermu.kernels.base.resampling import BICUBIC
from ermu.kernels.base.scoring import check_active
from ermu.kernels.base.tensor_checks import (
    Tensor,
    expect_float,
    expect_output,
    expect_size,
    expect_tensor,
)
from ermu.types import Array

MAX_LABEL = 255  # 10 * g + k must fit a byte
GROUP_CHANNELS = 11  # background and ten identities
SURVEY = ("area", "x0", "y0", "x1", "y1", "places", "probability")  # columns of `Pixels.survey`
PROBABILITY_UNIT = 2.0**-32  # of its last one


class Pixels(ABC):
    """Frames in, label maps out, on one device."""

    name: str

    @abstractmethod
    def prepare_frame(self, frame: Tensor, out: Tensor, resampling: str = BICUBIC) -> None:
        """Resizes a frame to network size.

        Args:
            frame: uint8 (H, W, 3) in BGR order; a numpy array on every device, or a tensor on this one.
            out: (Hn, Wn, 3) in RGB order, written: float32, neither rounded nor clipped (0..255 and what
                overshoots), or uint8.
            resampling: `bicubic`, as cv2.INTER_CUBIC of the output's dtype; `antialiased` (`taps_between`).

        Raises:
            KernelError: shapes or dtypes do not fit, or there is no such filter.
        """

    def prepare_nv12(self, picture: Nv12, out: Tensor, resampling: str = BICUBIC) -> None:
        """The same from a picture as video decoders leave it: its BGR picture, in levels, resized.

        Args:
            picture: Its planes lie on this device; on the host, of `bgr_of`.
            out: As of `prepare_frame`.
            resampling: Likewise.

        Raises:
            KernelError: shapes or dtypes do not fit, or a matrix or filter is unknown.
        """
        self.prepare_frame(bgr_of(picture), out, resampling)

    @abstractmethod
    def label_map(
        self, logits: Tensor, active: Array, source: Tensor, network: Tensor, *, align_corners: bool
    ) -> None:
        """Bilinear upsampling to source size fused with the arg-max.

        One group: arg-max over its active channels. More: probabilities are merged, background the product
        of the groups' backgrounds, foreground as is, clamped to [1e-5, 1 - 1e-5]; the first maximum wins.

        Args:
            logits: (G, C, h4, w4) float32 or float16.
            active: (G, C) bool on the host, channels in use; the others are silenced. 10 * g + k of the last
                one is at most 255.
            source: uint8 (H, W) at the frame's size, written; 0 background, 10 * g + k for id k (1..10)
                of group g.
            network: uint8 (G, Hn, Wn) at network size, written; the nearest-neighbour (floor) reduction of
                `source` as cv2.INTER_NEAREST, each group with its own ids 1..10 and 0 elsewhere.
            align_corners: Whether corners lie on corners (torch's `align_corners=True`), or borders on
                borders (False, half-pixel centres).

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """

    @abstractmethod
    def survey(
        self, logits: Tensor, active: Array, source: Tensor, out: Tensor, *, align_corners: bool
    ) -> None:
        """What a label map shows of every label, and how sure the network is of it.

        Sureness is taken at the logits' own places, from the pixel nearest to each: nothing is upsampled.

        Args:
            logits: (G, C, h4, w4) float32 or float16.
            active: (G, C) bool on the host, channels in use.
            source: uint8 (H, W), labels 10 * g + k.
            out: int64 (L, 7), written, a row a label of these groups, L <= 256 (`SURVEY`): its area in
                pixels; its box, x1 and y1 exclusive (W, H, 0, 0 where it has no pixel); how many places show
                it; and the sum, over these, of the probability that its group's softmax gives it, in
                `PROBABILITY_UNIT`. Row 0 is a label without a pixel; labels from L on are left out.
            align_corners: As in `label_map`.

        Raises:
            KernelError: shapes or dtypes do not fit.
        """


def nearest_pixels(
    places_hw: Sequence[int], source_hw: Sequence[int], *, align_corners: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Row and column of the pixel nearest to each row and column of places, halves to even; read only."""
    rows, columns = (
        _nearest(*sides, align_corners=align_corners) for sides in zip(places_hw, source_hw, strict=True)
    )
    return rows, columns


@lru_cache(maxsize=64)
def _nearest(places: int, pixels: int, *, align_corners: bool) -> npt.NDArray[np.int32]:
    at = np.arange(places)
    if align_corners:
        position = at * ((pixels - 1) / max(places - 1, 1))
    else:
        position = (at + 0.5) * (pixels / places) - 0.5
    nearest: npt.NDArray[np.int32] = np.rint(position).clip(0, pixels - 1).astype(np.int32)
    nearest.flags.writeable = False
    return nearest


def check_frame(frame: Tensor, out: Tensor) -> None:
    """Checks the arguments of `Pixels.prepare_frame`."""
    if len(frame.shape) != 3 or frame.shape[2] != 3 or 0 in frame.shape or np.dtype(frame.dtype) != np.uint8:
        raise KernelError(
            f"The frame has shape {tuple(frame.shape)} and dtype {np.dtype(frame.dtype)}.",
            expected="(H, W, 3) uint8 in BGR order",
        )
    expect_size("The frame's size", frame.shape[:2])
    check_output(out)


def check_output(out: Tensor) -> None:
    """Checks the network's input of `Pixels.prepare_frame` and `Pixels.prepare_nv12`."""
    expect_size("out's size", out.shape[:2])
    dtype = np.dtype(np.uint8 if np.dtype(out.dtype) == np.uint8 else np.float32)
    expect_output("out", out, (*out.shape[:2], 3), dtype)


def check_label_map(logits: Tensor, active: Array, source: Tensor, network: Tensor) -> None:
    """Checks the arguments of `Pixels.label_map`."""
    _check_logits(logits, active)
    groups, channels = np.nonzero(active)
    if (largest := int((10 * groups + channels).max())) > MAX_LABEL:
        raise KernelError(
            f"{logits.shape[0]} groups of objects do not fit a byte: label {largest}.",
            expected="at most 25 groups, and a 26th with channels 1 to 5 alone",
        )
    expect_size("source's size", source.shape)
    expect_size("network's size", network.shape[1:])
    expect_output("source", source, source.shape, np.uint8)
    expect_output("network", network, (logits.shape[0], *network.shape[1:]), np.uint8)


def check_survey(logits: Tensor, active: Array, source: Tensor, out: Tensor) -> None:
    """Checks the arguments of `Pixels.survey`."""
    _check_logits(logits, active)
    expect_size("source's size", source.shape)
    expect_tensor("source", source, source.shape, np.uint8)
    most = min(10 * (logits.shape[0] - 1) + logits.shape[1], MAX_LABEL + 1)
    if len(out.shape) != 2 or not 1 <= out.shape[0] <= most:
        raise KernelError(
            f"out has shape {tuple(out.shape)}.", expected=f"(L, {len(SURVEY)}) with L = 1..{most}"
        )
    expect_output("out", out, (out.shape[0], len(SURVEY)), np.int64)


def _check_logits(logits: Tensor, active: Array) -> None:
    expect_float("logits", logits)
    if len(logits.shape) != 4 or 0 in logits.shape or not 2 <= logits.shape[1] <= GROUP_CHANNELS:
        raise KernelError(
            f"logits have shape {tuple(logits.shape)}.",
            expected=f"(G, C, h4, w4) with C = 2..{GROUP_CHANNELS}",
        )
    check_active(active, logits.shape[:2])
