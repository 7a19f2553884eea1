"""What distinguishes one AOT/DeAOT network from another: a description, from which the modules are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ermu.errors import OptionError
from ermu.registries import FAMILIES

OBJECT_CAPACITY = 10


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the aot_plus family (`docs/spec/network.md`).

    Attributes:
        name: The name used on the command line and in manifests.
        family: Its name in `FAMILIES`: `aot` (multi-head attention, feed-forward) or `deaot` (gated
            propagation, two branches).
        encoder: Its name in `ENCODERS`, underscores for hyphens.
        blocks: Number of propagation blocks L.
        width: Channels C of the tokens.
        heads: Attention heads; 1 in DeAOT.
        key_width: Channels D of a memory key over all heads (width in AOT, width / 2 in DeAOT).
        feedforward: Hidden channels of AOT's feed-forward, or DeAOT's gate width per branch.
        decoder_width: Channels at stride 16 and 8 in and out; half of it at stride 4.
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
