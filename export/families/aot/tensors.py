"""AOT's memories: the bank's and the previous frame's are different projections."""

from __future__ import annotations

from ermu.export.family import FamilyTensors
from ermu.export.network.spec import NetworkSpec
from ermu.export.tensors import block_tensor, memory_tensor, previous_tensor
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.roles import Kind, Role


class AotTensors(FamilyTensors):
    """See `FamilyTensors`."""

    def __init__(self, spec: NetworkSpec) -> None:
        self._spec, self._blocks = spec, range(spec.blocks)

    def memories(self) -> tuple[TensorInfo, ...]:
        return tuple(t for i in self._blocks for t in (*self._bank(i), *self.previous(i)))

    def propagated(self) -> tuple[TensorInfo, ...]:
        return tuple(t for i in self._blocks for t in self.kept(i))

    def carried(self) -> tuple[TensorInfo, ...]:
        return tuple(t for t in self.propagated() if t.role is Role.CARRY)

    def memorized(self) -> tuple[TensorInfo, ...]:
        return tuple(t for i in self._blocks for t in (self._entry(i)[1], self._local_entry(i)[1]))

    def referenced(self) -> tuple[TensorInfo, ...]:
        return tuple(t for i in self._blocks for t in (*self._entry(i), *self._local_entry(i)))

    def previous(self, block: int) -> tuple[TensorInfo, TensorInfo]:
        """The previous frame's key and value, as this one reads them."""
        key, value = self._local_entry(block)
        return previous_tensor(f"previous_key{block}", key), previous_tensor(f"previous_value{block}", value)

    def kept(self, block: int) -> tuple[TensorInfo, ...]:
        """What a propagated frame keeps of a block, in the order of `AotCarry`."""
        carry = [block_tensor(f"carry_{name}", block, self._spec.width, Role.CARRY) for name in _CARRIED]
        return self._entry(block)[0], carry[0], self._local_entry(block)[0], carry[1]

    def _bank(self, block: int) -> tuple[TensorInfo, TensorInfo]:
        key, value = self._entry(block)
        return memory_tensor(f"key{block}", key), memory_tensor(f"value{block}", value)

    def _entry(self, block: int) -> tuple[TensorInfo, TensorInfo]:
        return self._pair("new_", block)

    def _local_entry(self, block: int) -> tuple[TensorInfo, TensorInfo]:
        return self._pair("new_local_", block)

    def _pair(self, prefix: str, block: int) -> tuple[TensorInfo, TensorInfo]:
        spec = self._spec
        return (
            block_tensor(f"{prefix}key", block, spec.key_width, Role.ENTRY, Kind.KEY),
            block_tensor(f"{prefix}value", block, spec.width, Role.ENTRY, Kind.VALUE),
        )


_CARRIED = ("value", "local")
