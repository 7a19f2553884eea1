"""Attention on CPUs: checks here, the arithmetic in C++."""

from __future__ import annotations

from ermu.errors import KernelError
from ermu.kernels.base import attention_checks
from ermu.kernels.base.attention import Attention, Recall
from ermu.kernels.base.attention_checks import RecallShape
from ermu.kernels.base.checks import nan_found
from ermu.kernels.base.scoring import Array
from ermu.kernels.cpu.library import native
from ermu.kernels.cpu.threads import usable_processors


class CpuRecall(Recall):
    """A bank whose keys and values lie packed for the instruction set; see `CpuAttention.recall`."""

    def __init__(self, isa: str, precision: str, shape: RecallShape, threads: int) -> None:
        self._shape = shape
        self._packed = native().Recall(
            isa, precision, shape.tokens, shape.heads, shape.key_width, shape.value_width, threads
        )

    def write(self, slot: int, key: Array, value: Array) -> None:
        """See `Recall.write`."""
        attention_checks.check_write(self._shape, self._packed.slots, slot, key, value)
        if not self._packed.write(slot, key, value):
            raise nan_found("key or value")

    def read(self, query: Array, rows: Array, out: Array, masses: Array | None = None) -> None:
        """See `Recall.read`."""
        attention_checks.check_read(self._shape, self._packed.slots, query, rows, out, masses)
        if not self._packed.read(query, rows, out, masses):
            raise nan_found("query or rows")


class CpuAttention(Attention):
    """Attention for CPUs.

    Args:
        threads: Threads per call; by default the processors that this process may use. They live for one
            call, so nothing spins between calls and a forked process may go on.
        isa: "avx512", "avx2" or "portable"; by default the best that the processor runs.

    Raises:
        KernelError: the library cannot be had, or has no such instruction set here.
    """

    name = "cpu"

    def __init__(self, threads: int | None = None, isa: str | None = None) -> None:
        available: list[str] = native().isas()
        if isa is not None and isa not in available:
            raise KernelError(
                f"The attention has no '{isa}' here.", expected=f"one of {', '.join(available)}"
            )
        self.isa = isa or available[0]
        self.threads = threads or usable_processors()
        self.precisions = tuple(native().precisions(self.isa))

    def recall(
        self,
        slots: int,
        tokens: int,
        heads: int,
        key_width: int,
        value_width: int,
        *,
        precision: str = "fp32",
    ) -> CpuRecall:
        """See `Attention.recall`; room for a slot is made when it is first written."""
        attention_checks.check_precision(precision, self.precisions)
        shape = attention_checks.recall_shape(slots, tokens, heads, key_width, value_width)
        return CpuRecall(self.isa, precision, shape, self.threads)

    def window(
        self, query: Array, key: Array, value: Array, bias: Array, hw: tuple[int, int], out: Array
    ) -> None:
        """See `Attention.window`."""
        attention_checks.check_window(query, key, value, bias, hw, out)
        if not native().window(self.isa, query, key, value, bias, hw, out, self.threads):
            raise nan_found("query, key, value or bias")
