"""What distinguishes one AOT/DeAOT network from another: a description, from which the modules are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ermu.errors import OptionError
from ermu.registries import FAMILIES
from ermu.runtime.bundle.sizes import GridRule

OBJECT_CAPACITY = 10

# What every network of the aot-benchmark zoo has.
ZOO: dict[str, Any] = {
    "temporal": False,
    "identity_channels": OBJECT_CAPACITY + 1,
    "policy": "none",
    "gap_grows": False,
}


@dataclass(frozen=True)
class NetworkSpec:
    """One network (`docs/spec/network.md`, `docs/spec/zoo.md`).

    Attributes:
        name: The name used on the command line and in manifests.
        family: Its name in `FAMILIES`: `aot` and `aot-local` (multi-head attention, feed-forward) or `deaot`
            (gated propagation, two branches).
        encoder: Its name in `ENCODERS`, underscores for hyphens.
        blocks: Number of propagation blocks L.
        width: Channels C of the tokens.
        heads: Attention heads; 1 in DeAOT.
        key_width: Channels D of a memory key over all heads (width in AOT, width / 2 in DeAOT).
        feedforward: Hidden channels of AOT's feed-forward, or DeAOT's gate width per branch.
        decoder_width: Channels at stride 16 and 8 in and out; half of it at stride 4.
        temporal: Whether memory frames have learned temporal rows.
        identity_channels: Of the identity bank: background, ten ids and, where it is 12, ignore.
        policy: The published memory rule: an eviction policy,
        gap: and the frames between two appends, which
        gap_grows: with the length of a file is a thirtieth of it, where that is more.
        align_corners: Whether grids have their corners on the image's (`GridRule`); Swin's do not.
    """

    name: str
    family: str
    encoder: str
    blocks: int
    width: int
    heads: int
    key_width: int
    feedforward: int
    decoder_width: int
    temporal: bool = True
    identity_channels: int = OBJECT_CAPACITY + 2
    policy: str = "ermu"
    gap: int = 5
    gap_grows: bool = True
    align_corners: bool = True

    @property
    def grid(self) -> GridRule:
        """How its grids lie on its input."""
        return GridRule(self.align_corners)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict, the inverse of `NetworkSpec(**d)`."""
        return asdict(self)


def networks() -> dict[str, NetworkSpec]:
    """Every named network of every family, by name."""
    return {spec.name: spec for _, family in FAMILIES.items() for spec in family.networks}


def network_spec(name: str, /, **changes: Any) -> NetworkSpec:
    """The description of a named network, with fields changed where asked (a narrower variant, say).

    Raises:
        OptionError: no network has that name.
    """
    known = networks()
    if name not in known:
        raise OptionError(f"Unknown network '{name}'.", expected=f"one of {', '.join(known)}")
    return replace(known[name], **changes)
