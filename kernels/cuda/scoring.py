"""Scoring on NVIDIA GPUs: checks tensors, sizes grids and launches; the arithmetic is in `src/scoring`."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ermu.devices.gpu import GpuDevice
from ermu.devices.tensor import DeviceTensor
from ermu.errors import KernelError, OptionError
from ermu.kernels.base.scoring import (
    SQA_STEP,
    Scoring,
    ScoringShape,
    check_foreground,
    check_masses,
    check_scoring,
)
from ermu.kernels.base.tensor_checks import expect_output, expect_tensor
from ermu.kernels.cuda import params
from ermu.kernels.cuda.faults import FaultWord
from ermu.kernels.cuda.key_gram import CudaKeyGram
from ermu.kernels.cuda.tensors import Scratch, address_of, divided, kind_of
from ermu.types import Array

Precision = Literal["exact", "int8"]
HEAD_CHANNELS = (32, 128, 256)
TILE = 64  # queries and keys of a block, masses.cu
PICKERS = 256  # threads of pick_queries and quantise
THREADS = (128, 1, 1)
LOG2_E = math.log2(math.e)


class CudaScoring(Scoring):
    """Scoring for NVIDIA GPUs; heads must have 32, 128 or 256 channels.

    Nothing comes back to the host: which queries matter is decided on the device, too.

    Args:
        device: Where the kernels run.
        faults: Told of values that are not finite.
        precision: "exact" (fp32 arithmetic) or "int8" (quantised scoring attention by dp4a,
            `docs/spec/ermu.md`).

    Raises:
        OptionError: the precision is unknown.
    """

    name = "cuda"
    head_channels = HEAD_CHANNELS

    def __init__(self, device: GpuDevice, faults: FaultWord, *, precision: Precision = "exact") -> None:
        if precision not in ("exact", "int8"):
            raise OptionError(f"There is no scoring precision '{precision}'.", expected="exact or int8")
        self._device, self._faults, self.precision = device, faults, precision
        self._scratch = Scratch(device)

    def frame_masses(
        self, query: DeviceTensor, keys: DeviceTensor, rows: Array, out: DeviceTensor, *, heads: int
    ) -> None:
        """See `Scoring.frame_masses`."""
        shape = self._shape(query, keys, rows, heads)
        expect_output("out", out, (shape.tokens, shape.slots), np.float32)
        self._score(query, keys, rows, shape, out, None, None)

    def relevance(
        self,
        query: DeviceTensor,
        keys: DeviceTensor,
        rows: Array,
        foreground: DeviceTensor,
        out: DeviceTensor,
        *,
        heads: int,
    ) -> None:
        """See `Scoring.relevance`; only the queries that hold the foreground are scored."""
        shape = self._shape(query, keys, rows, heads)
        expect_tensor("foreground", foreground, (shape.tokens,), np.float32)
        expect_output("out", out, (shape.slots,), np.float64)
        picked = self._scratch.tensor("picked", (shape.tokens,), np.int32)
        number = self._scratch.tensor("number", (1,), np.int32)
        pick = params.PickParams(
            address_of("foreground", foreground, 4), picked.address, number.address, self._faults.address
        )
        pick.tokens = shape.tokens
        self._device.launch("pick_queries", (1, 1, 1), (PICKERS, 1, 1), pick)
        masses = self._scratch.tensor("masses", (shape.tokens, shape.slots), np.float32)
        self._score(query, keys, rows, shape, masses, picked, number)
        self._weigh(masses, foreground, out, picked, number)

    def weigh_masses(self, masses: DeviceTensor, foreground: DeviceTensor, out: DeviceTensor) -> None:
        """See `Scoring.weigh_masses`."""
        check_masses(masses, foreground, out)
        self._weigh(masses, foreground, out, None, None)

    def key_gram(self, slots: int, channels: int) -> CudaKeyGram:
        """See `Scoring.key_gram`; the products stay on the device."""
        return CudaKeyGram(self._device, self._faults, self._scratch, slots, channels)

    def foreground(
        self, logits: DeviceTensor, active: Array, out: DeviceTensor, *, align_corners: bool
    ) -> None:
        """See `Scoring.foreground`."""
        sizes = *logits.shape[:1], *check_foreground(logits, active, out, align_corners)
        flags = self._scratch.constant("active", active.view(np.uint8))
        pointers = (
            address_of("logits", logits, logits.dtype.itemsize),
            flags.address,
            address_of("out", out, 4),
        )
        arguments = params.ForegroundParams(*pointers, self._faults.address, *sizes, align_corners)
        grid = (divided(out.shape[0], THREADS[0]), 1, 1)
        self._device.launch(f"foreground_{kind_of(logits)}", grid, THREADS, arguments)

    def _shape(self, query: DeviceTensor, keys: DeviceTensor, rows: Array, heads: int) -> ScoringShape:
        shape = check_scoring(query, keys, rows, heads)
        if shape.head_channels not in HEAD_CHANNELS:
            raise KernelError(f"Heads have {shape.head_channels} channels.", expected="32, 128 or 256")
        return shape

    def _score(
        self,
        query: DeviceTensor,
        keys: DeviceTensor,
        rows: Array,
        shape: ScoringShape,
        out: DeviceTensor,
        picked: DeviceTensor | None,
        number: DeviceTensor | None,
    ) -> None:
        """Masses (N, T) of every query, or of as many picked ones as `number` says, in the first rows."""
        device, count = self._device, shape.tokens
        four = 4 * query.dtype.itemsize  # numbers that the kernel loads at once
        arguments = params.MassParams(
            query=address_of("query", query, four), count=count, tokens=shape.tokens
        )
        arguments.keys, arguments.slots = address_of("keys", keys, four), shape.slots
        arguments.heads, arguments.fault = shape.heads, self._faults.address
        arguments.query_scale = arguments.key_scale = 1.0
        arguments.unit, kind = shape.scale * LOG2_E, "sums"
        added = self._scratch.uploaded("rows", rows)
        if self.precision == "int8":
            added, kind = self._quantise(added, shape, query, keys, arguments), "codes"
        partial = (shape.heads, shape.slots, count)
        peaks, sums = (self._scratch.tensor(name, partial, np.float32) for name in ("peaks", "sums"))
        arguments.rows, arguments.peaks, arguments.sums = added.address, peaks.address, sums.address
        arguments.picked = picked.address if picked else None
        arguments.number = number.address if number else None
        kernel = f"slot_{kind}_{kind_of(query)}_d{shape.head_channels}"
        device.launch(kernel, (divided(count, TILE), shape.heads, shape.slots), THREADS, arguments)
        combine = params.CombineParams(peaks.address, sums.address, address_of("out", out, 4))
        combine.number, combine.count = arguments.number, count
        combine.slots, combine.heads = shape.slots, shape.heads
        device.launch("combine_masses", (divided(count, THREADS[0]), 1, 1), THREADS, combine)

    def _quantise(
        self,
        rows: DeviceTensor,
        shape: ScoringShape,
        query: DeviceTensor,
        keys: DeviceTensor,
        arguments: params.MassParams,
    ) -> DeviceTensor:
        """Sets steps and zero points from the tensors' ranges; returns the rows less the keys' mean."""
        size = (1 + shape.slots, shape.channels)
        ranges = [self._scratch.tensor(name, size, np.float32) for name in ("total", "low", "high")]
        pointers = [tensor.address for tensor in ranges]
        self._device.launch(
            f"channel_range_{kind_of(query)}",
            (divided(shape.channels, 32), 1 + shape.slots, 1),
            (32, 8, 1),
            params.RangeParams(query.address, keys.address, *pointers, shape.tokens, shape.channels),
        )
        shift = self._scratch.tensor("shift", rows.shape, np.float32)
        zeros = self._scratch.tensor("zeros", (2,), np.int32)
        pointers += [rows.address, shift.address, zeros.address, self._faults.address]
        sizes = shape.scale, SQA_STEP, shape.tokens, shape.slots, shape.channels
        quantise = params.QuantiseParams(*pointers, *sizes)
        self._device.launch("quantise", (1, 1, 1), (PICKERS, 1, 1), quantise)
        arguments.query_scale, arguments.key_scale = shape.scale / SQA_STEP, 1.0 / SQA_STEP
        arguments.unit, arguments.zeros = SQA_STEP**2 * LOG2_E, zeros.address
        return shift

    def _weigh(
        self,
        masses: DeviceTensor,
        foreground: DeviceTensor,
        out: DeviceTensor,
        picked: DeviceTensor | None,
        number: DeviceTensor | None,
    ) -> None:
        pointers = address_of("masses", masses, 4), address_of("foreground", foreground, 4)
        arguments = params.WeighParams(*pointers, picked.address if picked else None)
        arguments.number = number.address if number else None
        arguments.relevance, arguments.fault = address_of("out", out, 8), self._faults.address
        arguments.count, arguments.slots = masses.shape
        self._device.launch("weigh_masses", (1, 1, 1), (32, 32, 1), arguments)
