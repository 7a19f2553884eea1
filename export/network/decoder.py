"""The FPN decoder: propagated tokens and encoder maps to logits at stride 4."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ermu.export.network.spec import OBJECT_CAPACITY


class ConvNormRelu(nn.Module):
    """Convolution, GroupNorm(8), ReLU."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2)
        self.gn = nn.GroupNorm(8, out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.gn(self.conv(x)))


class FpnDecoder(nn.Module):
    """Three levels, each adding an adapted encoder map; 11 logits (background and ten ids) at stride 4."""

    def __init__(
        self, channels: int, width: int, encoder_channels: tuple[int, int, int], *, align_corners: bool
    ) -> None:
        super().__init__()
        self.align_corners, half = align_corners, width // 2
        c4, c8, c16 = encoder_channels
        self.conv_in = ConvNormRelu(channels, width, 1)
        self.conv_16x = ConvNormRelu(width, width, 3)
        self.conv_8x = ConvNormRelu(width, half, 3)
        self.conv_4x = ConvNormRelu(half, half, 3)
        self.adapter_16x = nn.Conv2d(c16, width, 1)
        self.adapter_8x = nn.Conv2d(c8, width, 1)
        self.adapter_4x = nn.Conv2d(c4, half, 1)
        self.conv_out = nn.Conv2d(half, OBJECT_CAPACITY + 1, 1)

    def adapt(self, f4: Tensor, f8: Tensor, f16: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The encoder's maps at the decoder's widths: the same for every group of objects."""
        return self.adapter_4x(f4), self.adapter_8x(f8), self.adapter_16x(f16)

    def forward(self, z: Tensor, a4: Tensor, a8: Tensor, a16: Tensor) -> Tensor:
        """Logits from the decoder's input and the adapted maps."""
        x = self.conv_16x(self.conv_in(z) + a16)
        x = self.conv_8x(self._resize_as(x, a8) + a8)
        x = self.conv_4x(self._resize_as(x, a4) + a4)
        return self.conv_out(x)

    def _resize_as(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=self.align_corners)
