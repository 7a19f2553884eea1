"""The interface of network families; each is a folder of `ermu.export.families`."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ermu.export.graph import Graph
from ermu.export.network.memory import MemoryEntry
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.transformer import BlockCarry, Transformer
from ermu.export.tensors import KEY, VALUE, new_entry
from ermu.runtime.bundle.parts import ScoreInfo, TensorInfo


class Family(ABC):
    """What networks of one family have in common, and others do not.

    A family is a folder whose `__init__` assigns an instance to `PLUGIN`; the folder's name is the family's
    in specs, checkpoints and manifests.

    Attributes:
        networks: The named ones, for `--network`.
        score: ERMU's constants for its bundles.
        carry_type: Of a block's carry.
        separate_previous: Whether the next frame reads an entry of its own instead of the bank's.
    """

    networks: tuple[NetworkSpec, ...]
    score: ScoreInfo
    carry_type: type[BlockCarry]
    separate_previous: bool

    @abstractmethod
    def transformer(self, spec: NetworkSpec) -> Transformer:
        """The stack of blocks, with the checkpoints' parameter names below `LSTT`."""

    @abstractmethod
    def identity_norm(self, spec: NetworkSpec) -> nn.Module:
        """What identity tokens pass before the blocks read them."""

    @abstractmethod
    def value_width(self, spec: NetworkSpec) -> int:
        """Channels of a memory value."""

    @abstractmethod
    def carried(self, spec: NetworkSpec, block: int) -> tuple[TensorInfo, ...]:
        """A block's carry, field by field: entries where they are final without the label, else carry."""

    @abstractmethod
    def external_attention_graphs(self, network: SegmentationNetwork) -> tuple[Graph | None, list[Graph]]:
        """`propagate` cut where a block reads the memories: a block-0 prefix or None, and `propagate0` to
        `propagateL` of L blocks."""

    def relative_values(self, network: SegmentationNetwork) -> dict[int, Tensor]:
        """What attention in a window adds to values by their place there, by block: heads x 225 x dv."""
        return {}

    def entries(self, spec: NetworkSpec, block: int) -> tuple[TensorInfo, ...]:
        """What a frame leaves behind in a block: key and value for the bank, then any for the next frame."""
        value = self.value_width(spec)
        bank = (new_entry(block, KEY, spec.key_width), new_entry(block, VALUE, value))
        if not self.separate_previous:
            return bank
        previous = (
            new_entry(block, KEY, spec.key_width, previous=True),
            new_entry(block, VALUE, value, previous=True),
        )
        return (*bank, *previous)

    def previous_entries(self, spec: NetworkSpec, block: int) -> tuple[TensorInfo, TensorInfo]:
        """Those of them that the next frame reads: key and value."""
        key, value = self.entries(spec, block)[-2:]
        return key, value

    def entry_tensors(self, entry: MemoryEntry) -> list[Tensor]:
        """A frame's memory in the order of `entries`, block by block."""
        memories = (entry.long, entry.short) if self.separate_previous else (entry.long,)
        return [tensor for pairs in zip(*memories, strict=True) for pair in pairs for tensor in pair]
