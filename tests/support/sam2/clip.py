"""A clip at the small network's own size or a multiple of it, and masks of objects in it."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.support.sam2.network import SIDE


def frames_of(count: int, scale: int = 1) -> list[Tensor]:
    """Frames of a blurred pattern that wanders, with noise: RGB H x W x 3 of whole 0..255."""
    generator, side = torch.Generator().manual_seed(1), SIDE * scale
    coarse = torch.rand(1, 3, 8, 8, generator=generator) * 255
    picture = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")[0].permute(1, 2, 0)
    noise = [torch.randn(side, side, 3, generator=generator) * 5 for _ in range(count)]
    return [(picture.roll(5 * scale * i, 1) + n).clamp(0, 255).round() for i, n in enumerate(noise)]


def masks_of(scale: int = 1) -> Tensor:
    """Three masks of 0 and 1, 3 x H x W; the first touches two borders."""
    masks = torch.zeros(3, SIDE, SIDE)
    masks[0, 30:70, 20:60] = masks[0, :9, :17] = 1
    masks[1, 60:110, 70:120] = 1
    masks[2, 5:50, 80:100] = 1
    return masks.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
