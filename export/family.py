"""What a network family is: everything in which AOT and DeAOT differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ermu.runtime.bundle.manifest import ScoreInfo, TensorInfo

if TYPE_CHECKING:
    from ermu.export.graph import Graph
    from ermu.export.network.memory import MemoryEntry
    from ermu.export.network.network import SegmentationNetwork
    from ermu.export.network.spec import NetworkSpec


class Family(ABC):
    """A family is a sub-package of `ermu.export.families` whose `PLUGIN` is an instance of a subclass.

    Attributes:
        score: ERMU's constants for its networks.
    """

    score: ScoreInfo

    @abstractmethod
    def transformer(self, spec: NetworkSpec) -> nn.Module:
        """The propagation blocks with `forward`, `reference` and `memorize` as `AotTransformer` has them."""

    @abstractmethod
    def output_channels(self, spec: NetworkSpec) -> int:
        """Channels of the decoder's input z."""

    @abstractmethod
    def identity_norm(self, spec: NetworkSpec) -> nn.Module:
        """What identity tokens pass before they join a memory."""

    @abstractmethod
    def tensors(self, spec: NetworkSpec) -> FamilyTensors:
        """Descriptions of its memories' tensors."""

    @abstractmethod
    def carried(self, kept: list[Tensor]) -> list[Any]:
        """Each block's carry from the tensors that `FamilyTensors.carried` lists, each 1 x n x C."""

    @abstractmethod
    def values(self, entry: MemoryEntry) -> list[Tensor]:
        """What `FamilyTensors.memorized` lists of a frame's memory."""

    @abstractmethod
    def flattened(self, entry: MemoryEntry) -> list[Tensor]:
        """What `FamilyTensors.referenced` lists of a frame's memory."""

    @abstractmethod
    def prefix(self, network: SegmentationNetwork) -> Graph | None:
        """The graph of what block 0 does before it reads a memory, where groups have no say in it."""

    @abstractmethod
    def propagation(self, network: SegmentationNetwork) -> list[Graph]:
        """The graphs of the plan `external_attention`: one up to each attention on the bank, and the rest."""


class FamilyTensors(ABC):
    """Names, roles and shapes of the memory tensors of a network, each list in block order."""

    @abstractmethod
    def memories(self) -> tuple[TensorInfo, ...]:
        """What a frame reads: key and value of the bank, then of the previous frame."""

    @abstractmethod
    def propagated(self) -> tuple[TensorInfo, ...]:
        """What a frame leaves before its label is known: final entries, and what is carried on."""

    @abstractmethod
    def carried(self) -> tuple[TensorInfo, ...]:
        """Of these, what is carried on to `memorize`."""

    @abstractmethod
    def memorized(self) -> tuple[TensorInfo, ...]:
        """The entries that the label completes."""

    @abstractmethod
    def referenced(self) -> tuple[TensorInfo, ...]:
        """All entries of a labelled frame."""
