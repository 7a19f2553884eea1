"""Attention on CPUs: checks here, the arithmetic in C++."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ermu.devices.processors import usable_processors
from ermu.kernels.base.attention import (
    Attention,
    CacheShape,
    KeyValueCache,
    SlotCodes,
    cache_shape,
    check_codes,
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

    def __init__(self, packed: _native.KeyValueCache, shape: CacheShape, precision: str) -> None:
        self._packed, self._shape, self.precision = packed, shape, precision

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

    def codes(self, slot: int) -> SlotCodes:
        """See `KeyValueCache.codes`."""
        tokens, keys, values = self._shape.tokens, self._shape.key_width, self._shape.value_width
        key, value = np.empty((tokens, keys), np.float32), np.empty((tokens, values), np.float32)
        codes = SlotCodes.plain(key, value, self._shape.heads)
        self._packed.unpack(slot, *vars(codes).values())
        return codes

    def put(self, codes: SlotCodes) -> None:
        """See `KeyValueCache.put`."""
        check_codes(self._shape, codes)
        self._packed.repack(*(np.require(array, None, ["C", "W"]) for array in vars(codes).values()))

    def sharing(self, slots: Sequence[int]) -> CpuKeyValueCache:
        """See `KeyValueCache.sharing`."""
        return CpuKeyValueCache(self._packed.sharing(list(slots)), self._shape, self.precision)


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
        return CpuKeyValueCache(packed, shape, precision)

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
