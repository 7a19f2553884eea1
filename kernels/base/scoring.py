"""The one interface of ERMU's kernels: what the runtime calls, whatever device does the work.

Shapes use T for memory frames (slots in use), N for tokens (h * w of the stride-16 grid), D = heads * d
for key channels, G for groups of ten objects and C = 11 for a group's channels (background and ten ids).
Slots are in buffer order, not in time order; `order` lists the slots from the oldest frame to the newest,
and `order[0]` is the permanent first frame. The formulas are those of `spec/ermu.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.floating]
LabelMap = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ScoreConstants:
    """Constants of the relevance-redundancy score s = a * r + 1 / (1 + exp(b * (red - c)))."""

    relevance_weight: float  # a
    redundancy_slope: float  # b
    redundancy_centre: float  # c
    momentum: float = 0.8  # share of the new relevance in the moving mean


@dataclass(frozen=True)
class Eviction:
    """The outcome of one scoring; vectors are float64, one entry a slot, in slot order."""

    slot: int
    relevance: FloatArray  # moving mean, not renormalised
    scores: FloatArray


@dataclass(frozen=True)
class LabelMaps:
    """Predicted labels of one frame.

    Attributes:
        source: uint8 (H, W) at source size; 0 background, 10 * g + k for id k (1..10) of group g.
        network: uint8 (G, Hn, Wn) at network size, the nearest-neighbour reduction of `source`,
            each group with its own ids 1..10 and 0 elsewhere.
    """

    source: LabelMap
    network: LabelMap


class KeyGram(ABC):
    """Per-channel dot products and sums of the bank's keys, kept up to date one slot at a time.

    This is the exact incremental form of the redundancy: the temporal rows are constant over tokens, so
    they are added afterwards and changing them costs nothing per token.
    """

    @abstractmethod
    def update(self, slot: int, keys: Array) -> None:
        """Takes in the keys just written to `slot`.

        Args:
            slot: Index of the slot that changed, 0 <= slot < T.
            keys: (T, N, D) fp32 or fp16 keys of every slot in use, *without* temporal rows; `keys[slot]`
                is new.
        """

    @abstractmethod
    def redundancy(self, rows: Array) -> FloatArray:
        """Redundancy of every slot in use, rounded to 4 decimals (`spec/ermu.md` step 3).

        Args:
            rows: (T, D) temporal row of each slot.

        Returns:
            (T,) float64 in slot order.
        """


class Kernels(ABC):
    """ERMU's scoring and the pixel work around the network, on one device."""

    name: str

    @abstractmethod
    def frame_masses(self, query: Array, keys: Array, rows: Array, *, heads: int) -> FloatArray:
        """Attention mass that each query gives to each memory frame, mean over heads (step 1).

        Softmax runs over all T * N keys with scale 1 / sqrt(d); the N x (T * N) attention is never stored.

        Args:
            query: (N, D) fp32 or fp16, block 0's q + cur.
            keys: (T, N, D) as `query`, block 0's keys without temporal rows.
            rows: (T, D) temporal row of each slot.
            heads: number of heads; d = D / heads.

        Returns:
            (N, T) float32.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is NaN.
        """

    @abstractmethod
    def relevance(
        self, query: Array, keys: Array, rows: Array, foreground: Array, *, heads: int
    ) -> FloatArray:
        """Foreground-weighted mass of each slot, summing to 1 (step 1); arguments as `frame_masses`.

        Queries whose foreground together holds under 1e-6 of the total may be left out.

        Args:
            foreground: (N,) fp32 probability that a token is not background.

        Returns:
            (T,) float64 in slot order; uniform when the foreground is zero everywhere.
        """

    @abstractmethod
    def key_gram(self, slots: int, channels: int) -> KeyGram:
        """An empty `KeyGram` for at most `slots` slots of `channels` channels (it may grow)."""

    @abstractmethod
    def choose_eviction(
        self,
        relevance: Array,
        redundancy: Array,
        previous: Array,
        order: Array,
        constants: ScoreConstants,
    ) -> Eviction:
        """Moving mean, score and arg-min (steps 2, 4, 5), never the slot `order[0]`; ties go to the oldest.

        Args:
            relevance: (T,) this frame's relevance.
            redundancy: (T,) rounded redundancy.
            previous: (T,) previous moving mean, NaN where a slot was not scored last time.
            order: (T,) integer slots, oldest frame first.
            constants: of the network family.
        """

    @abstractmethod
    def foreground(self, logits: Array, active: Array) -> FloatArray:
        """Foreground probability of each token: 1 - softmax(logits at stride 16)[background].

        Bilinear with aligned corners from (4h-3, 4w-3) to (h, w) takes every fourth logit exactly.

        Args:
            logits: (C, 4h-3, 4w-3) fp32 or fp16 stride-4 logits of one group.
            active: (C,) bool, channels in use; the others are silenced.

        Returns:
            (h * w,) float32.
        """

    @abstractmethod
    def label_from_logits(
        self, logits: Array, active: Array, source_hw: tuple[int, int], network_hw: tuple[int, int]
    ) -> LabelMaps:
        """Bilinear (aligned corners) upsampling to source size fused with the arg-max.

        One group: arg-max over its active channels. More: probabilities are merged, background the product
        of the groups' backgrounds, foreground as is, clamped to [1e-5, 1 - 1e-5]; the first maximum wins.

        Args:
            logits: (G, C, h4, w4) fp32 or fp16.
            active: (G, C) bool.
            source_hw: size of the frame.
            network_hw: size of the network input; nearest (floor) reduction as cv2.INTER_NEAREST.
        """

    @abstractmethod
    def prepare_frame(self, frame: LabelMap, network_hw: tuple[int, int]) -> LabelMap:
        """BGR uint8 (H, W, 3) at source size -> RGB uint8 (Hn, Wn, 3), bicubic as cv2.INTER_CUBIC."""
