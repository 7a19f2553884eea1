"""The image encoder: what every object of a frame shares."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ermu.export.network.normalisation import IMAGENET, Normalisation


class Encode(nn.Module):
    """image 1 x H x W x 3 RGB -> f4, f8, f16 and `unconditioned`, each C x h x w.

    f4 and f8 have passed the decoder's own convolutions, which saves them for every object. `unconditioned`
    is f16 as a frame without a memory reads it.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`.
        normalisation: Of its input; default, ImageNet's.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, model: Any, normalisation: Normalisation = IMAGENET) -> None:
        super().__init__()
        for name, values in (("mean", normalisation.mean), ("spread", normalisation.spread)):
            self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1), persistent=False)
        self.vision_encoder = model.vision_encoder
        self.adapt4, self.adapt8 = model.mask_decoder.conv_s0, model.mask_decoder.conv_s1
        self.no_memory = model.no_memory_embedding

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pixels = image.to(self.no_memory.dtype).permute(0, 3, 1, 2)
        normal = (pixels / 255 - self.mean) / self.spread
        f4, f8, f16 = self.vision_encoder(normal, return_dict=True).fpn_hidden_states
        first = f16[0] + self.no_memory.reshape(-1, 1, 1)
        return self.adapt4(f4)[0], self.adapt8(f8)[0], f16[0], first
