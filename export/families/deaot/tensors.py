"""DeAOT's memories: one entry serves the bank and the next frame."""

from __future__ import annotations

from ermu.export.family import FamilyTensors
from ermu.export.network.spec import NetworkSpec
from ermu.export.tensors import block_tensor, memory_tensor, previous_tensor
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.roles import Kind, Role


class DeaotTensors(FamilyTensors):
    """See `FamilyTensors`."""

    def __init__(self, spec: NetworkSpec) -> None:
        self._spec, self._blocks = spec, range(spec.blocks)

    @property
    def value_width(self) -> int:
        """Channels of a memory value: a visual half and an identity half."""
        return 2 * self._spec.feedforward

    def memories(self) -> tuple[TensorInfo, ...]:
        found: list[TensorInfo] = []
        for i in self._blocks:
            key, value = self._entry(i)
            found += [memory_tensor(f"key{i}", key), memory_tensor(f"value{i}", value)]
            found += [previous_tensor(f"previous_key{i}", key), previous_tensor(f"previous_value{i}", value)]
        return tuple(found)

    def propagated(self) -> tuple[TensorInfo, ...]:
        return tuple(t for i in self._blocks for t in self.kept(i))

    def carried(self) -> tuple[TensorInfo, ...]:
        return tuple(t for t in self.propagated() if t.role is Role.CARRY)

    def memorized(self) -> tuple[TensorInfo, ...]:
        return tuple(self._entry(i)[1] for i in self._blocks)

    def referenced(self) -> tuple[TensorInfo, ...]:
        return tuple(t for i in self._blocks for t in self._entry(i))

    def kept(self, block: int) -> tuple[TensorInfo, ...]:
        """What a propagated frame keeps of a block, in the order of `DeaotCarry`."""
        value = block_tensor("carry_value", block, self._spec.feedforward, Role.CARRY)
        context = block_tensor("carry_context", block, self._spec.width, Role.CARRY)
        return (self._entry(block)[0], value, *([context] if block > 0 else []))

    def _entry(self, block: int) -> tuple[TensorInfo, TensorInfo]:
        return (
            block_tensor("new_key", block, self._spec.key_width, Role.ENTRY, Kind.KEY),
            block_tensor("new_value", block, self.value_width, Role.ENTRY, Kind.VALUE),
        )
