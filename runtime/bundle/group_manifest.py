"""The manifest of networks whose objects share memories in groups of ten: AOT, DeAOT and their like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from ermu.runtime.bundle.manifest import Manifest, NetworkInfo, Plan
from ermu.runtime.bundle.parts import FileInfo, ScoreInfo
from ermu.runtime.bundle.roles import Role

OBJECTS = 10  # in a group: the channels of its logits, the background aside
MOST_TOGETHER = 5  # groups that graphs run at once: what engines are built for


class GroupPlan(Plan):
    """One way to run such a network.

    Attributes:
        encode: An image to the features that all groups share.
        prefix: What block 0 begins with, from the features, once for all groups; None where there is nothing.
        reference: Features and identity tokens of a labelled frame to its entry and z.
        propagation: The graphs that propagate a group, in order. One graph in the plan `whole`; in
            `external_attention` one a block and one more, with the kernels' attention of block i on the
            memories after graph i.
        decode: z and features to logits.
        memorize: Identity tokens and what propagation carries on to the rest of the frame's entry.
    """

    prefix: str | None = None
    reference: str
    propagation: tuple[str, ...] = Field(min_length=1)
    decode: str
    memorize: str

    @property
    def once(self) -> tuple[str, ...]:
        """See `Plan.once`."""
        return (self.encode, *([self.prefix] if self.prefix else []))

    @property
    def quantised(self) -> tuple[str, ...]:
        """See `Plan.quantised`: those that take no label, since labels are remembered as they are."""
        return (*self.once, *self.propagation, self.decode)

    @property
    def graphs(self) -> tuple[str, ...]:
        """See `Plan.graphs`."""
        return (*self.once, self.reference, *self.propagation, self.decode, self.memorize)


class GroupNetwork(NetworkInfo):
    """Which network the graphs are; fields as `ermu.export.network.spec.NetworkSpec`.

    Its policy and gap are the published ones; the bundle's defaults are in `MemoryInfo`.
    """

    blocks: int
    width: int
    heads: int
    key_width: int
    feedforward: int
    decoder_width: int
    temporal: bool
    identity_channels: int
    policy: str
    gap: int
    gap_grows: bool


class GroupManifest(Manifest):
    """The whole of such a manifest.json, where `kind` is left out.

    Attributes:
        temporal_rows: The temporal embedding, a row of D numbers each; empty in a network without.
        identity: Weights of the identity embedding, `weight` and `bias` of an .npz, for the kernels.
        relative_values: What attention in a window adds to the values of block i by their place there:
            `block{i}` (heads, 225, dv) of an .npz, for the kernels. None for a network without.
    """

    kind: Literal["group"] = Field(default="group", exclude=True)
    network: GroupNetwork
    plans: Mapping[str, GroupPlan]
    score: ScoreInfo
    temporal_rows: tuple[tuple[float, ...], ...]
    identity: FileInfo
    relative_values: FileInfo | None = None

    @model_validator(mode="after")
    def _filled(self) -> GroupManifest:
        """Every `source` is an entry."""
        known = {tensor.name: tensor for tensor in self.tensors}
        for tensor in self.tensors:
            source = known.get(tensor.source) if tensor.source else None
            if tensor.source and (source is None or source.role is not Role.ENTRY):
                raise ValueError(f"{tensor.name} comes from {tensor.source}, which no graph makes")
        return self

    @property
    def kernel_weights(self) -> tuple[FileInfo, ...]:
        """See `Manifest.kernel_weights`."""
        return (self.identity, *([self.relative_values] if self.relative_values else []))

    @property
    def constants(self) -> dict[str, Any]:
        """See `Manifest.constants`."""
        return {"score": self.score.model_dump(), "temporal_rows": self.temporal_rows}
