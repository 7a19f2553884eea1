"""Logits of all groups to label maps with the caller's ids, and what these show of each object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import cv2
import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.pixels import PROBABILITY_UNIT, SURVEY
from ermu.kernels.numpy.probabilities import merged_probabilities
from ermu.runtime.backends.base import Backend
from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.images.masks import XYXY
from ermu.types import Array, LabelMap

_IDS = 256
_ROW = np.dtype(np.int64).itemsize * len(SURVEY)


class Channels(Protocol):
    """Up to ten objects whose logits lie side by side, after those of the background."""

    @property
    def channel_ids(self) -> Sequence[int | None]:
        """Of its ten channels, the caller's ids; None for a channel that no object has."""

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Channels in use, background first: 11."""


class Seen(NamedTuple):
    """What a frame's label map and logits say of an object.

    Attributes:
        area: Pixels.
        box: x0, y0, x1, y1 in pixels, x1 and y1 exclusive; None where it has no pixel.
        score: Mean probability over its pixels, taken where the network has logits; None where none meets it.
    """

    area: int
    box: XYXY | None
    score: float | None


@dataclass(frozen=True)
class Probabilities:
    """What a frame's pixels may be.

    Attributes:
        values: float32 K x H x W, K = 1 + 10 G for G groups: background, then each group's channels.
        ids: uint8 K, the caller's id of each channel; 0 for the background and for channels of no object.
    """

    values: npt.NDArray[np.float32]
    ids: LabelMap

    def label(self) -> LabelMap:
        """The label map of the likeliest, H x W."""
        likeliest: LabelMap = self.ids[self.values.argmax(axis=0)]
        return likeliest


class Labeller:
    """Decides, for the groups that it follows, whose each pixel is.

    Args:
        backend: Whose kernels do it.
        source_hw: Height and width of the frames.
        align_corners: Whether the logits' corners lie on the frame's.
    """

    def __init__(self, backend: Backend, source_hw: tuple[int, int], *, align_corners: bool) -> None:
        self._kernels, self._device = backend.kernels, backend.device
        self._hw, self._align_corners = source_hw, align_corners
        self._latest: LabelMap | None = None  # the one that was looked at last
        self._begin, self._most = -(-source_hw[0] * source_hw[1] // _ROW) * _ROW, 0
        self.follow([])

    def follow(self, groups: Sequence[Channels]) -> None:
        """Notes channels in use, and which ids are whose: group g's object k is 10 * g + k, merged.

        Raises:
            BackendError: there is not enough memory; it follows whom it did.
        """
        if groups:
            self._make_room(min(GROUP_SIZE * len(groups) + 1, _IDS))
        self._active = np.array([group.active for group in groups], np.bool_).reshape(-1, GROUP_SIZE + 1)
        merged = np.arange(_IDS, dtype=np.uint8)
        self._ids, possible = np.zeros_like(merged), np.zeros(_IDS, np.bool_)
        for g, group in enumerate(groups):
            own = slice(GROUP_SIZE * g + 1, min(GROUP_SIZE * (g + 1) + 1, _IDS))
            fitting = own.stop - own.start
            self._ids[own] = [object_id or 0 for object_id in group.channel_ids[:fitting]]
            possible[own] = self._active[g, 1 : 1 + fitting]
        self._merged = np.zeros_like(merged)
        self._merged[self._ids] = merged
        self._merged[0] = 0
        self._are_merged_ids = bool(np.all((self._ids == merged) | ~possible))

    def label(self, logits: DeviceTensor, labels: DeviceTensor) -> LabelMap:
        """The label map of the groups' logits.

        Args:
            logits: (G, 11, h4, w4).
            labels: uint8 (G, Hn, Wn), written: each group's own at network size.

        Returns:
            uint8 H x W at source size with the caller's ids.
        """
        argument = self._device.kernel_argument
        self._kernels.pixels.label_map(
            argument(logits),
            self._active,
            argument(self._source),
            argument(labels),
            align_corners=self._align_corners,
        )
        self._survey(logits)
        self._kernels.check_faults()
        found = self._host[: self._source.nbytes].reshape(self._hw)
        self._latest = found if self._are_merged_ids else np.asarray(cv2.LUT(found, self._ids), np.uint8)
        return self._latest

    def seen(self, label: LabelMap, logits: DeviceTensor) -> dict[int, Seen]:
        """What a label map of the latest frame shows of every object.

        Args:
            label: uint8 H x W with the caller's ids; nothing is left to do for the one looked at last.
            logits: (G, 11, h4, w4).

        Returns:
            By id, of the objects followed.
        """
        if not len(self._active):
            return {}
        if label is not self._latest:
            self._device.upload(np.asarray(cv2.LUT(label, self._merged), np.uint8), self._source)
            self._survey(logits)
            self._latest = label
        table = self._host[-self._table.nbytes :].view(np.int64).reshape(self._table.shape)
        rows = cast("list[list[int]]", table.tolist())
        return {i: _seen(*row) for i, row in zip(self._ids[: len(rows)].tolist(), rows, strict=True) if i}

    def probabilities(self, logits: Array) -> Probabilities:
        """Of the latest frame's labels at source size, merged over the groups; computed on the host.

        Args:
            logits: (G, 11, h4, w4).
        """
        if not len(logits):
            return Probabilities(np.ones((1, *self._hw), np.float32), np.zeros(1, np.uint8))
        merged = merged_probabilities(logits, self._active, self._hw, align_corners=self._align_corners)
        return Probabilities(merged[:_IDS], self._ids[: len(merged)])

    def _survey(self, logits: DeviceTensor) -> None:
        """Asks what the label map shows, and fetches both at once."""
        argument = self._device.kernel_argument
        self._kernels.pixels.survey(
            argument(logits),
            self._active,
            argument(self._source),
            argument(self._table),
            align_corners=self._align_corners,
        )
        self._host: npt.NDArray[np.uint8] = self._device.download(self._whole)

    def _make_room(self, labels: int) -> None:
        """One piece of memory for the label map and, after it, a row a label; it never shrinks."""
        if labels > self._most:
            self._held, self._most = self._device.empty((self._begin + labels * _ROW,), np.uint8), labels
        self._whole = self._held.part(0, (self._begin + labels * _ROW,), np.uint8)
        self._source = self._whole.part(0, self._hw, np.uint8)
        self._table = self._whole.part(self._begin, (labels, len(SURVEY)), np.int64)


def _seen(area: int, x0: int, y0: int, x1: int, y1: int, places: int, probability: int) -> Seen:
    score = probability * PROBABILITY_UNIT / places if places else None
    return Seen(area, (x0, y0, x1, y1) if area else None, score)
