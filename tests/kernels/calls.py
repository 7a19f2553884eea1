"""Calls kernels with numpy arrays through tensors of their device, and hands back numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.base import Device
from ermu.devices.host import HostDevice
from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.nv12 import Nv12
from ermu.kernels.base.pixels import SURVEY
from ermu.kernels.base.resampling import BICUBIC
from ermu.kernels.base.scoring import KeyGram
from ermu.kernels.loading import Kernels
from tests.kernels.kernel_cases import Scoring

Array = npt.NDArray[Any]


class Caller:
    """Kernels and the device of their tensors; every call ends by checking for faults."""

    def __init__(self, kernels: Kernels, device: Device | None = None) -> None:
        self.kernels, self.device = kernels, device or HostDevice()

    def held(self, array: Array) -> Any:
        """The array on the device, as a kernel takes it."""
        tensor = self.device.empty(array.shape, array.dtype)
        self.device.upload(array, tensor)
        return self.device.kernel_argument(tensor)

    def frame_masses(self, case: Scoring) -> Array:
        query, keys = self.held(case.query), self.held(case.keys)
        out = self._out((len(case.query), len(case.keys)), np.float32)
        argument = self.device.kernel_argument(out)
        self.kernels.scoring.frame_masses(query, keys, case.rows, argument, heads=case.heads)
        return self._result(out)

    def relevance(self, case: Scoring, foreground: Array) -> Array:
        tensors = self.held(case.query), self.held(case.keys), case.rows, self.held(foreground)
        out = self._out((len(case.keys),), np.float64)
        argument = self.device.kernel_argument(out)
        self.kernels.scoring.relevance(*tensors, argument, heads=case.heads)
        return self._result(out)

    def weigh_masses(self, masses: Array, foreground: Array) -> Array:
        out = self._out(masses.shape[1:], np.float64)
        argument = self.device.kernel_argument(out)
        self.kernels.scoring.weigh_masses(self.held(masses), self.held(foreground), argument)
        return self._result(out)

    def update(self, gram: KeyGram, slot: int, keys: Array) -> None:
        gram.update(slot, self.held(keys))
        self.kernels.check_faults()

    def redundancy(self, gram: KeyGram, rows: Array) -> Array:
        out = self._out((len(rows),), np.float64)
        gram.redundancy(rows, self.device.kernel_argument(out))
        return self._result(out)

    def foreground(self, logits: Array, active: Array, *, align_corners: bool = True) -> Array:
        out = self._out((tokens_below(logits),), np.float32)
        argument = self.device.kernel_argument(out)
        held = self.held(logits)
        self.kernels.scoring.foreground(held, active, argument, align_corners=align_corners)
        return self._result(out)

    def label_map(
        self,
        logits: Array,
        active: Array,
        source_hw: tuple[int, int],
        network_hw: tuple[int, int],
        *,
        align_corners: bool = True,
    ) -> tuple[Array, Array]:
        """Labels at source size (H, W) and at network size (G, Hn, Wn)."""
        source, network = self._out(source_hw, np.uint8), self._out((len(logits), *network_hw), np.uint8)
        arguments = self.device.kernel_argument(source), self.device.kernel_argument(network)
        held = self.held(logits)
        self.kernels.pixels.label_map(held, active, *arguments, align_corners=align_corners)
        return self._result(source), self._result(network)

    def survey(
        self, logits: Array, active: Array, label: Array, labels: int, *, align_corners: bool = True
    ) -> Array:
        """(labels, 7) of a label map (H, W)."""
        out = self._out((labels, len(SURVEY)), np.int64)
        held = self.held(logits), active, self.held(label), self.device.kernel_argument(out)
        self.kernels.pixels.survey(*held, align_corners=align_corners)
        return self._result(out)

    def prepare_frame(
        self,
        frame: Array,
        network_hw: tuple[int, int],
        dtype: npt.DTypeLike = np.uint8,
        resampling: str = BICUBIC,
    ) -> Array:
        out = self._out((*network_hw, 3), dtype)
        self.kernels.pixels.prepare_frame(frame, self.device.kernel_argument(out), resampling)
        return self._result(out)

    def prepare_nv12(
        self,
        picture: Nv12,
        network_hw: tuple[int, int],
        dtype: npt.DTypeLike = np.uint8,
        resampling: str = BICUBIC,
    ) -> Array:
        """As `prepare_frame`, of a picture on the kernels' device."""
        out = self._out((*network_hw, 3), dtype)
        self.kernels.pixels.prepare_nv12(picture, self.device.kernel_argument(out), resampling)
        return self._result(out)

    def embed(self, weight: Array, bias: Array, label: Array) -> Array:
        height, width = ((side - 1) // 16 + 1 for side in label.shape)
        out = self._out((height, width, len(bias)), np.float32)
        self.kernels.identity(weight, bias).embed(self.held(label), self.device.kernel_argument(out))
        return self._result(out)

    def _out(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceTensor:
        return self.device.empty(shape, dtype)

    def _result(self, out: DeviceTensor) -> Array:
        self.kernels.check_faults()
        return self.device.download(out)


def tokens_below(logits: Array) -> int:
    """Tokens below the stride-4 logits (C, 4h-3, 4w-3) or (C, 4h, 4w)."""
    return (logits.shape[1] + 3) // 4 * ((logits.shape[2] + 3) // 4)
