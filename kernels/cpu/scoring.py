"""Scoring on CPUs: checks here, the arithmetic in C++."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ermu.devices.processors import usable_processors
from ermu.errors import KernelError, OptionError
from ermu.kernels.base.scoring import (
    SQA_STEP,
    Scoring,
    check_foreground,
    check_masses,
    check_scoring,
    foreground_weights,
    logits_at_tokens,
    picked_queries,
    put_shares,
)
from ermu.kernels.base.tensor_checks import expect_output, expect_tensor, nan_found
from ermu.kernels.cpu.key_gram import CpuKeyGram
from ermu.kernels.cpu.library import instruction_set, native
from ermu.types import Array

Precision = Literal["exact", "int8"]
WIDEST_CODES = 1024  # kWidest of sqa.inl


class CpuScoring(Scoring):
    """Scoring for CPUs.

    Args:
        threads: Threads per call; by default the processors that this process may use.
        isa: "avx512", "avx2" or "portable"; by default the best that the processor runs.
        precision: "exact" (fp32 arithmetic) or "int8" (quantised scoring attention, `docs/spec/ermu.md`).

    Raises:
        KernelError: the library cannot be had.
        OptionError: there is no such instruction set or precision here.
    """

    name = "cpu"

    def __init__(
        self, *, threads: int | None = None, isa: str | None = None, precision: Precision = "exact"
    ) -> None:
        if precision not in ("exact", "int8"):
            raise OptionError(f"There is no scoring precision '{precision}'.", expected="exact or int8")
        self.isa = instruction_set(isa)
        self.threads = threads or usable_processors()
        self.precision = precision

    def frame_masses(self, query: Array, keys: Array, rows: Array, out: Array, *, heads: int) -> None:
        """See `Scoring.frame_masses`."""
        shape = check_scoring(query, keys, rows, heads)
        expect_output("out", out, (shape.tokens, shape.slots), np.float32)
        self._score(query, keys, rows, np.arange(shape.tokens, dtype=np.int32), heads, out)

    def relevance(
        self, query: Array, keys: Array, rows: Array, foreground: Array, out: Array, *, heads: int
    ) -> None:
        """See `Scoring.relevance`; only the queries that hold the foreground are scored."""
        shape = check_scoring(query, keys, rows, heads)
        expect_tensor("foreground", foreground, (shape.tokens,), np.float32)
        expect_output("out", out, (shape.slots,), np.float64)
        weights = foreground_weights(foreground)
        picked = picked_queries(weights)
        masses = np.empty((len(picked), shape.slots), dtype=np.float32)
        if len(picked):
            self._score(query, keys, rows, picked, heads, masses)
        put_shares(weights[picked], masses, out)

    def weigh_masses(self, masses: Array, foreground: Array, out: Array) -> None:
        """See `Scoring.weigh_masses`."""
        check_masses(masses, foreground, out)
        put_shares(foreground_weights(foreground), masses, out)

    def key_gram(self, slots: int, channels: int) -> CpuKeyGram:
        """See `Scoring.key_gram`."""
        return CpuKeyGram(slots, channels, self.isa, self.threads)

    def foreground(self, logits: Array, active: Array, out: Array, *, align_corners: bool) -> None:
        """See `Scoring.foreground`."""
        tokens = check_foreground(logits, active, out, align_corners)
        at_tokens = np.ascontiguousarray(logits_at_tokens(logits, active, align_corners, np.float32))
        if not native().foreground(at_tokens.reshape(len(at_tokens), tokens[0] * tokens[1]), out):
            raise nan_found("logits")

    def _score(
        self,
        query: Array,
        keys: Array,
        rows: Array,
        picked: npt.NDArray[np.int32],
        heads: int,
        out: npt.NDArray[np.float32],
    ) -> None:
        """Masses (count, T) of the picked queries."""
        step = SQA_STEP if self.precision == "int8" else 0.0
        if step and query.shape[1] // heads > WIDEST_CODES:
            raise KernelError(
                f"Heads have {query.shape[1] // heads} channels.", expected=f"at most {WIDEST_CODES} in int8"
            )
        query, keys, rows = map(np.ascontiguousarray, (query, keys, rows))
        finite = native().frame_masses(self.isa, query, keys, rows, heads, picked, step, out, self.threads)
        if not finite:
            raise nan_found("query, keys or rows")
