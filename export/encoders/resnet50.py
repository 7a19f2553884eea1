"""ResNet-50 up to stride 16: the encoder of the R50 models."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ermu.export.encoder import Encoder, EncoderMaps
from ermu.export.network.layers import FrozenBatchNorm2d


class Bottleneck(nn.Module):
    """1x1, 3x3 (carrying the stride), 1x1 convolutions with a residual; 4 * width channels out."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = FrozenBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = FrozenBatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = FrozenBatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False), FrozenBatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(channels, width, stride)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))


class ResNet50(Encoder):
    """Stages 1 to 3 of ResNet-50; outputs at strides 4, 8, 16 and 16 again (the map that is projected).

    Attributes:
        depths: Bottlenecks of each stage.
    """

    channels = (256, 512, 1024, 1024)
    first_stage = ("conv1.", "bn1.", "layer1.")
    depths: ClassVar[tuple[int, int, int]] = (3, 4, 6)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = FrozenBatchNorm2d(64)
        self.layer1 = _stage(64, 64, self.depths[0], stride=1)
        self.layer2 = _stage(256, 128, self.depths[1], stride=2)
        self.layer3 = _stage(512, 256, self.depths[2], stride=2)

    def forward(self, x: Tensor) -> EncoderMaps:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        f4 = self.layer1(x)
        f8 = self.layer2(f4)
        f16 = self.layer3(f8)
        return f4, f8, f16, f16


PLUGIN = ResNet50
