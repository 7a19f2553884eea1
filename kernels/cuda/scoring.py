"""The CUDA implementation: checks tensors, sizes grids and launches; the arithmetic is in `src/*.cu`."""

from __future__ import annotations

import ctypes
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base import checks
from ermu.kernels.base.relevance import picked_queries
from ermu.kernels.base.scoring import (
    Array,
    Eviction,
    FloatArray,
    Kernels,
    KeyGram,
    LabelMap,
    LabelMaps,
    ScoreConstants,
)
from ermu.kernels.cuda import params as c
from ermu.kernels.cuda.cubic import cubic_taps
from ermu.kernels.cuda.device import Device, DeviceArray
from ermu.kernels.cuda.gram import CudaKeyGram

Precision = Literal["exact", "int8"]
SQA_STEP = 0.04  # spec/ermu.md, quantised scoring attention
HEAD_CHANNELS = (32, 128)
TILE = 64  # queries and keys of a block, masses.cu
PIXELS = (32, 8, 1)  # a block of the image kernels
LOG2_E = math.log2(math.e)


class CudaKernels(Kernels):
    """Kernels for NVIDIA GPUs.

    Tensors may be numpy arrays, which are uploaded, or anything with `address` (a device pointer aligned to
    16 bytes), `shape` and `dtype`, dense and row-major. Results are numpy arrays: label maps and vectors.

    Args:
        device: where to run; by default the current CUDA context.
        precision: "exact" (fp32 arithmetic) or "int8" (quantised scoring attention by dp4a, `spec/ermu.md`).

    Raises:
        DependencyError: pycuda is not installed.
        KernelError: there is no GPU or no kernels for it, or the precision is unknown.
    """

    name = "cuda"

    def __init__(self, device: Device | None = None, *, precision: Precision = "exact") -> None:
        if precision not in ("exact", "int8"):
            raise KernelError(f"There is no scoring precision '{precision}'.", expected="exact or int8")
        if device is None:
            from ermu.kernels.cuda.launch import CudaDevice

            device = CudaDevice()
        self._device = device
        self.precision = precision

    def frame_masses(self, query: Array, keys: Array, rows: Array, *, heads: int) -> FloatArray:
        """See `Kernels.frame_masses`; d must be 32 or 128."""
        every = np.arange(query.shape[0] if len(query.shape) == 2 else 0, dtype=np.int32)
        return np.asarray(
            self._device.download(self._masses(query, keys, rows, every, heads)), dtype=np.float32
        )

    def relevance(
        self, query: Array, keys: Array, rows: Array, foreground: Array, *, heads: int
    ) -> FloatArray:
        """See `Kernels.relevance`; only the queries that hold the foreground are scored."""
        checks.scoring_shape(query, keys, rows, heads)
        checks.check_foreground(foreground, query.shape[0])
        weights = np.asarray(self._host(foreground), dtype=np.float32)
        picked = picked_queries(weights)
        slots = keys.shape[0]
        if len(picked) == 0:
            return np.full(slots, 1.0 / slots)
        masses = self._masses(query, keys, rows, picked, heads)
        held, totals = self._device.upload(weights[picked]), self._device.empty((slots,), np.float64)
        self._device.launch(
            "weigh_slots",
            (slots, 1, 1),
            (128, 1, 1),
            c.WeighParams(masses.address, held.address, totals.address, len(picked), slots),
        )
        weighted = np.asarray(self._device.download(totals), dtype=np.float64)
        return np.asarray(weighted / weighted.sum())

    def key_gram(self, slots: int, channels: int) -> KeyGram:
        """See `Kernels.key_gram`; the products stay on the device."""
        return CudaKeyGram(self._device, slots, channels)

    def choose_eviction(
        self,
        relevance: Array,
        redundancy: Array,
        previous: Array,
        order: Array,
        constants: ScoreConstants,
    ) -> Eviction:
        """See `Kernels.choose_eviction`; one warp decides."""
        checks.check_choice(relevance, redundancy, previous, order)
        slots, device = relevance.shape[0], self._device
        inputs = [device.upload(np.asarray(v, dtype=np.float64)) for v in (relevance, redundancy, previous)]
        inputs.append(device.upload(np.asarray(order, dtype=np.int32)))
        mean, scores = device.empty((slots,), np.float64), device.empty((slots,), np.float64)
        chosen = device.empty((1,), np.int32)
        arguments = c.ChoiceParams(*(held.address for held in (*inputs, mean, scores, chosen)))
        arguments.relevance_weight = constants.relevance_weight
        arguments.redundancy_slope = constants.redundancy_slope
        arguments.redundancy_centre = constants.redundancy_centre
        arguments.momentum = constants.momentum
        arguments.slots = slots
        device.launch("choose_eviction", (1, 1, 1), (32, 1, 1), arguments)
        found = np.asarray(device.download(scores), dtype=np.float64)
        checks.check_finite("relevance or redundancy", found)
        slot = int(np.asarray(device.download(chosen))[0])
        return Eviction(slot, np.asarray(device.download(mean), dtype=np.float64), found)

    def foreground(self, logits: Array, active: Array) -> FloatArray:
        """See `Kernels.foreground`."""
        height, width = checks.check_token_logits(logits, active)
        held, flags = self._device.hold("logits", logits), self._flags(active)
        out, fault = self._device.empty((height * width,), np.float32), self._fault()
        arguments = c.ForegroundParams(
            held.address, flags.address, out.address, fault.address, logits.shape[0], height, width
        )
        grid = (_divided(height * width, 128), 1, 1)
        self._device.launch(f"foreground_{_suffix(held)}", grid, (128, 1, 1), arguments)
        self._refuse(fault, "logits")
        return np.asarray(self._device.download(out), dtype=np.float32)

    def label_from_logits(
        self, logits: Array, active: Array, source_hw: tuple[int, int], network_hw: tuple[int, int]
    ) -> LabelMaps:
        """See `Kernels.label_from_logits`; no upsampled logit is ever written."""
        checks.check_label_logits(logits, active, source_hw, network_hw)
        held, flags, fault = self._device.hold("logits", logits), self._flags(active), self._fault()
        groups = logits.shape[0]
        source = self._device.empty(source_hw, np.uint8)
        network = self._device.empty((groups, *network_hw), np.uint8)
        pointers = (held.address, flags.address, source.address, fault.address)
        self._over_pixels(
            f"label_from_logits_{_suffix(held)}",
            source_hw,
            c.LabelParams(*pointers, *logits.shape, *source_hw),
        )
        steps = [1.0 / (network_hw[axis] / source_hw[axis]) for axis in (0, 1)]
        self._over_pixels(
            "split_groups",
            network_hw,
            c.SplitParams(source.address, network.address, *steps, groups, *source_hw, *network_hw),
        )
        self._refuse(fault, "logits")
        maps = [np.asarray(self._device.download(held), dtype=np.uint8) for held in (source, network)]
        return LabelMaps(maps[0], maps[1])

    def prepare_frame(self, frame: LabelMap, network_hw: tuple[int, int]) -> LabelMap:
        """See `Kernels.prepare_frame`; OpenCV's fixed point, at most one level from its vector code."""
        checks.check_frame(frame, network_hw)
        held, size = self._device.hold("frame", frame), frame.shape[:2]
        taps = [self._device.upload(cubic_taps(network_hw[axis], size[axis])) for axis in (0, 1)]
        out = self._device.empty((*network_hw, 3), np.uint8)
        pointers = (held.address, out.address, taps[0].address, taps[1].address)
        self._over_pixels("prepare_frame", network_hw, c.FrameParams(*pointers, *size, *network_hw))
        return np.asarray(self._device.download(out), dtype=np.uint8)

    def _masses(
        self, query: Array, keys: Array, rows: Array, picked: npt.NDArray[np.int32], heads: int
    ) -> DeviceArray:
        shape = checks.scoring_shape(query, keys, rows, heads)
        if shape.head_channels not in HEAD_CHANNELS:
            raise KernelError(f"Heads have {shape.head_channels} channels.", expected="32 or 128 on CUDA")
        device, count = self._device, len(picked)
        queries, bank = device.hold("query", query), device.hold("keys", keys)
        added = np.asarray(self._host(rows), dtype=np.float32)
        arguments = c.MassParams(query=queries.address, keys=bank.address, count=count, tokens=shape.tokens)
        arguments.slots, arguments.heads, kind = shape.slots, heads, "sums"
        arguments.query_scale = arguments.key_scale = 1.0
        arguments.unit = shape.scale * LOG2_E
        if self.precision == "int8":
            added, kind = self._quantise(queries, bank, added, shape, arguments), "codes"
        held_rows, held_picked, fault = device.upload(added), device.upload(picked), self._fault()
        peaks = device.empty((heads, shape.slots, count), np.float32)
        sums = device.empty((heads, shape.slots, count), np.float32)
        masses = device.empty((count, shape.slots), np.float32)
        arguments.rows, arguments.picked = held_rows.address, held_picked.address
        arguments.peaks, arguments.sums, arguments.fault = peaks.address, sums.address, fault.address
        grid = (_divided(count, TILE), heads, shape.slots)
        kernel = f"slot_{kind}_{_suffix(queries)}_d{shape.head_channels}"
        device.launch(kernel, grid, (128, 1, 1), arguments)
        combine = c.CombineParams(peaks.address, sums.address, masses.address, count, shape.slots, heads)
        device.launch("combine_masses", (_divided(count, 128), 1, 1), (128, 1, 1), combine)
        self._refuse(fault, "query, keys or rows")
        return masses

    def _quantise(
        self,
        query: DeviceArray,
        keys: DeviceArray,
        rows: npt.NDArray[np.float32],
        shape: checks.ScoringShape,
        arguments: c.MassParams,
    ) -> npt.NDArray[np.float32]:
        """Sets step and zero points from the tensors' ranges; returns the rows less the keys' mean."""
        size = (1 + shape.slots, shape.channels)
        held = [self._device.empty(size, np.float32) for _ in range(3)]
        pointers = (query.address, keys.address, *(array.address for array in held))
        self._device.launch(
            f"channel_range_{_suffix(query)}",
            (_divided(shape.channels, 32), 1 + shape.slots, 1),
            (32, 8, 1),
            c.RangeParams(*pointers, shape.tokens, shape.channels),
        )
        total, low, high = (np.asarray(self._device.download(array), dtype=np.float64) for array in held)
        shift = rows - (total[1:] / shape.tokens + rows).mean(axis=0)
        checks.check_finite("query, keys or rows", np.concatenate([total, rows]))
        arguments.query_scale = shape.scale / SQA_STEP
        arguments.key_scale = 1.0 / SQA_STEP
        arguments.unit = SQA_STEP**2 * LOG2_E
        arguments.query_zero = _zero_point(low[0].min() * shape.scale, high[0].max() * shape.scale)
        arguments.key_zero = _zero_point((low[1:] + shift).min(), (high[1:] + shift).max())
        return np.asarray(shift, dtype=np.float32)

    def _over_pixels(self, kernel: str, size_hw: tuple[int, int], arguments: ctypes.Structure) -> None:
        grid = (_divided(size_hw[1], PIXELS[0]), _divided(size_hw[0], PIXELS[1]), 1)
        self._device.launch(kernel, grid, PIXELS, arguments)

    def _host(self, tensor: Array) -> npt.NDArray[np.generic]:
        if hasattr(tensor, "address"):
            return self._device.download(self._device.hold("tensor", tensor))
        return np.asarray(tensor)

    def _flags(self, active: Array) -> DeviceArray:
        return self._device.upload(np.asarray(active, dtype=np.uint8))

    def _fault(self) -> DeviceArray:
        return self._device.upload(np.zeros(1, dtype=np.int32))

    def _refuse(self, fault: DeviceArray, name: str) -> None:
        if np.asarray(self._device.download(fault))[0]:
            raise checks.nan_found(name)


def _divided(count: int, by: int) -> int:
    return (count + by - 1) // by


def _suffix(array: DeviceArray) -> str:
    return "f16" if array.dtype == np.float16 else "f32"


def _zero_point(low: float, high: float) -> int:
    """The zero point that centres [low, high] in the 256 levels."""
    return -round((low + high) / (2 * SQA_STEP))
