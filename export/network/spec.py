"""What distinguishes one AOT/DeAOT network from another: a description, from which the modules are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ermu.errors import OptionError

OBJECT_CAPACITY = 10


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the aot_plus family (`docs/spec/network.md`).

    Attributes:
        name: The name used on the command line and in manifests.
        family: Name of a network family (`ermu.export.families`).
        encoder: Name of a backbone (`ermu.export.encoders`).
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


def _aot(name: str, encoder: str, blocks: int) -> NetworkSpec:
    return NetworkSpec(
        name, "aot", encoder, blocks, 256, heads=8, key_width=256, feedforward=1024, decoder_width=256
    )


def _deaot(name: str, encoder: str, blocks: int) -> NetworkSpec:
    return NetworkSpec(
        name, "deaot", encoder, blocks, 256, heads=1, key_width=128, feedforward=512, decoder_width=256
    )


NETWORKS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in (
        _aot("r50_aotl", "resnet50", 3),
        _deaot("r50_deaotl", "resnet50", 3),
        _aot("aott", "mobilenetv2", 1),
        _deaot("deaott", "mobilenetv2", 1),
    )
}


def network_spec(name: str, /, **changes: Any) -> NetworkSpec:
    """The description of a named network, with fields changed where asked (a narrower variant, say).

    Raises:
        OptionError: no network has that name.
    """
    if name not in NETWORKS:
        raise OptionError(f"Unknown network '{name}'.", expected=f"one of {', '.join(NETWORKS)}")
    return replace(NETWORKS[name], **changes)
