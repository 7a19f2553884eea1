"""MobileNetV2 dilated to stride 16: the encoder of the T, S, B and L models."""

from __future__ import annotations

from torch import Tensor, nn

from ermu.export.encoder import Encoder, EncoderMaps
from ermu.export.network.layers import FrozenBatchNorm2d


def _conv_bn(
    channels: int, out: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    conv = nn.Conv2d(channels, out, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, FrozenBatchNorm2d(out), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Expansion, depthwise 3x3 and linear projection; residual where shapes agree (torchvision's keys)."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int, dilation: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.residual = stride == 1 and channels == out
        expand = [_conv_bn(channels, hidden, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            _conv_bn(hidden, hidden, 3, stride=stride, dilation=dilation, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            FrozenBatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(Encoder):
    """MobileNetV2's features; outputs at strides 4, 8, 16 and the 1280-channel map, kept at stride 16."""

    channels = (24, 32, 96, 1280)
    first_stage = ("features.0.", "features.1.", "features.2.", "features.3.")
    # expansion, channels out, blocks, stride of the first, dilation of the first, dilation of the others
    stages = (
        (1, 16, 1, 1, 1, 1),
        (6, 24, 2, 2, 1, 1),
        (6, 32, 3, 2, 1, 1),
        (6, 64, 4, 2, 1, 1),
        (6, 96, 3, 1, 1, 1),
        (6, 160, 3, 1, 1, 2),
        (6, 320, 1, 1, 2, 2),
    )

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv_bn(3, 32, 3, stride=2)]
        channels = 32
        for expansion, out, blocks, stride, first_dilation, dilation in self.stages:
            for i in range(blocks):
                layers.append(
                    InvertedResidual(
                        channels,
                        out,
                        stride if i == 0 else 1,
                        expansion,
                        first_dilation if i == 0 else dilation,
                    )
                )
                channels = out
        layers.append(_conv_bn(channels, 1280, 1))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> EncoderMaps:
        f4 = self.features[0:4](x)
        f8 = self.features[4:7](f4)
        f16 = self.features[7:14](f8)
        return f4, f8, f16, self.features[14:](f16)


PLUGIN = MobileNetV2
