"""Attention on CPUs: checks here, the arithmetic in C++."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ermu.devices.processors import usable_processors
from ermu.kernels.base.attention import (
    Attention,
    CacheShape,
    KeyValueCache,
    cache_shape,
    check_precision,
    check_read,
    check_window,
    check_write,
)
from ermu.kernels.base.tensor_checks import nan_found
from ermu.kernels.cpu.library import instruction_set, native
from ermu.types import Array

if TYPE_CHECKING:
    from ermu.kernels.cpu import _native


class CpuKeyValueCache(KeyValueCache):
    """A bank whose keys and values lie packed for the instruction set; see `CpuAttention.cache`."""

    def __init__(self, packed: _native.KeyValueCache, shape: CacheShape) -> None:
        self._packed, self._shape = packed, shape

    def write(self, slot: int, key: Array, value: Array) -> None:
        """See `KeyValueCache.write`."""
        check_write(self._shape, self._packed.slots, slot, key, value)
        if not self._packed.write(slot, key, value):
            raise nan_found("key or value")

    def read(self, query: Array, rows: Array, out: Array, masses: Array | None = None) -> None:
        """See `KeyValueCache.read`."""
        check_read(self._shape, self._packed.slots, query, rows, out, masses)
        if not self._packed.read(query, rows, out, masses):
            raise nan_found("query or rows")

    def sharing(self, slots: Sequence[int]) -> CpuKeyValueCache:
        """See `KeyValueCache.sharing`."""
        return CpuKeyValueCache(self._packed.sharing(list(slots)), self._shape)


class CpuAttention(Attention):
    """Attention for CPUs.

    Args:
        threads: Threads per call; by default the processors that this process may use. They live for one
            call, so nothing spins between calls and a forked process may go on.
        isa: "avx512", "avx2" or "portable"; by default the best that the processor runs.

    Raises:
        KernelError: the library cannot be had.
        OptionError: there is no such instruction set here.
    """

    name = "cpu"

    def __init__(self, threads: int | None = None, isa: str | None = None) -> None:
        self.isa = instruction_set(isa)
        self.threads = threads or usable_processors()
        self.precisions = tuple(native().precisions(self.isa))

    def cache(
        self,
        slots: int,
        tokens: int,
        heads: int,
        key_width: int,
        value_width: int,
        *,
        precision: str = "fp32",
    ) -> CpuKeyValueCache:
        """See `Attention.cache`; room for a slot is made when it is first written."""
        check_precision(precision, self.precisions)
        shape = cache_shape(slots, tokens, heads, key_width, value_width)
        packed = native().KeyValueCache(
            self.isa, precision, tokens, heads, key_width, value_width, self.threads
        )
        return CpuKeyValueCache(packed, shape)

    def window(
        self,
        query: Array,
        key: Array,
        value: Array,
        bias: Array,
        hw: tuple[int, int],
        out: Array,
        relative: Array | None = None,
    ) -> None:
        """See `Attention.window`."""
        check_window(query, key, value, bias, hw, out, relative)
        if not native().window(self.isa, query, key, value, bias, hw, out, relative, self.threads):
            raise nan_found("query, key, value, bias or relative")
