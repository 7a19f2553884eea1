"""Which weights learn, at which rate, and which decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from ermu.export.network.network import SegmentationNetwork

# Weights that do not decay in the published code, beside biases and norms (`docs/spec/training.md`).
PUBLISHED_UNDECAYED = (
    "cur_pos_emb",
    "mem_pos_emb",
    "relative_emb_v",
    "relative_position_bias_table",
    "absolute_pos_embed",
    "conv_out",
)
_IDENTITY = "patch_wise_id_bank."


def parameter_groups(
    network: SegmentationNetwork,
    weight_decay: float,
    encoder_rate: float,
    undecayed: Iterable[str] = PUBLISHED_UNDECAYED,
) -> list[dict[str, Any]]:
    """The optimizer's groups: encoder or not, decayed or not; every learnable weight in exactly one.

    Biases, norms outside the encoder (one-dimensional weights) and the weights named do not decay. The
    encoder's stem and first stage are in no group.

    Args:
        network: Whose weights.
        weight_decay: Of the weights that decay.
        encoder_rate: Factor on the learning rate of the encoder, kept in the group as `rate`.
        undecayed: Parts of the names of those that do not.
    """
    members: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if _in_first_stage(network, name):
            continue
        deep = name.startswith("encoder.")
        decays = not name.endswith(".bias") and (deep or parameter.ndim > 1)
        decays = decays and not any(part in name for part in undecayed)
        members.setdefault((deep, decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "rate": encoder_rate if deep else 1.0,
        }
        for (deep, decays), parameters in sorted(members.items())
    ]


def choose_learning(network: SegmentationNetwork, *, encoder_learns: bool, identities_learn: bool) -> None:
    """Says which weights take gradients now.

    Args:
        network: Whose weights.
        encoder_learns: Whether the encoder beyond its first stage learns.
        identities_learn: Whether the identity bank learns; not while the network reads its own labels.
    """
    for name, parameter in network.named_parameters():
        if name.startswith("encoder."):
            learns = encoder_learns and not _in_first_stage(network, name)
        else:
            learns = identities_learn or not name.startswith(_IDENTITY)
        parameter.requires_grad_(learns)
        if not learns:
            parameter.grad = None


def _in_first_stage(network: SegmentationNetwork, name: str) -> bool:
    """Whether a weight is one of the encoder's stem or first stage."""
    return name.startswith(tuple(f"encoder.{start}" for start in network.encoder.first_stage))
