"""The mask decoder, with each kind of prompt: none, clicks and boxes, a mask."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

ABSENT = -1024.0  # logits of an object that is not there, as published
MASK_SCALE, MASK_BIAS = 20.0, -10.0  # from a mask of 0 and 1 to logits, as published
_TRIANGLE = (1.0, 3.0, 5.0, 7.0, 7.0, 5.0, 3.0, 1.0)  # antialiased bilinear, four pixels to one


class Verdict(NamedTuple):
    """What the decoder says of an object.

    Attributes:
        logits: h4 x w4.
        presence: 1, a logit: above 0 the object is there.
        pointer: C.
    """

    logits: Tensor
    presence: Tensor
    pointer: Tensor


class Decoder(nn.Module):
    """A frame's features and a prompt's embeddings -> `Verdict`.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`.
    """

    positions: Tensor
    no_points: Tensor
    no_mask: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.mask_decoder = model.mask_decoder
        self.to_pointer = model.object_pointer_proj
        self.no_pointer = model.no_object_pointer
        prompts = model.prompt_encoder
        with torch.no_grad():
            nowhere, sign = torch.zeros(1, 1, 1, 2), -torch.ones(1, 1, 1, dtype=torch.int64)
            points, _ = prompts(nowhere, sign, None, None)
            positions = model.get_image_wide_positional_embeddings()
        self.register_buffer("positions", positions.clone(), persistent=False)
        self.register_buffer("no_points", points.clone(), persistent=False)
        no_mask = prompts.no_mask_embed.weight.detach().reshape(1, -1, 1, 1).clone()
        self.register_buffer("no_mask", no_mask, persistent=False)

    def forward(
        self, features: Tensor, maps: tuple[Tensor, Tensor], points: Tensor, mask: Tensor, *, several: bool
    ) -> Verdict:
        """Reads an object in a frame.

        Args:
            features: C x h x w.
            maps: f4 and f8.
            points: Embeddings of clicks, 1 x 1 x n x C.
            mask: Of a mask, 1 x C x h x w or 1 x C x 1 x 1.
            several: Whether the decoder proposes masks, of which the one is taken that it rates best, or
                says a single one.
        """
        masks, ratings, tokens, presence = self.mask_decoder(
            image_embeddings=features[None],
            image_positional_embeddings=self.positions,
            sparse_prompt_embeddings=points,
            dense_prompt_embeddings=mask,
            multimask_output=several,
            high_resolution_features=[map_[None] for map_ in maps],
        )
        masks, tokens = masks[0, 0], tokens[0, 0]
        if several:
            best = torch.argmax(ratings[0], dim=-1)  # of two axes, as TensorRT wants it
            masks, tokens = masks.index_select(0, best), tokens.index_select(0, best)
        presence = presence.reshape(1)
        logits = torch.where(presence > 0, masks[0], ABSENT)
        return Verdict(logits, presence, self.pointer(self.to_pointer(tokens[0]), presence > 0))

    def pointer(self, pointer: Tensor, there: Tensor) -> Tensor:
        """The pointer of an object, or that of none."""
        return torch.where(there, pointer, self.no_pointer[0])


class Segment(nn.Module):
    """conditioned, f4, f8 -> logits, presence, pointer, without a prompt.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        config = model.config
        self.decoder = Decoder(model)
        self.several = proposes(config, 0) and bool(config.multimask_output_for_tracking)

    def forward(self, conditioned: Tensor, f4: Tensor, f8: Tensor) -> Verdict:
        head = self.decoder
        verdict: Verdict = head(conditioned, (f4, f8), head.no_points, head.no_mask, several=self.several)
        return verdict


class Point(nn.Module):
    """conditioned, f4, f8 and K clicks -> logits, presence, pointer.

    Reads `points` K x 2, x and y in pixels of the network's input, and `point_signs` K: 1 on the object, 0
    off it, 2 and 3 a box's upper left and lower right corner, -1 nothing. How many there are decides whether
    the decoder proposes several masks.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        config = model.config
        self.decoder = Decoder(model)
        self.prompts = model.prompt_encoder
        self.fewest, self.most = int(config.multimask_min_pt_num), int(config.multimask_max_pt_num)
        self.may_propose = bool(config.multimask_output_in_sam)

    def forward(
        self, conditioned: Tensor, f4: Tensor, f8: Tensor, points: Tensor, point_signs: Tensor
    ) -> Verdict:
        signs = point_signs.to(torch.int64)
        clicks, _ = self.prompts(points[None, None], signs[None, None], None, None)
        head, maps = self.decoder, (f4, f8)
        single: Verdict = head(conditioned, maps, clicks, head.no_mask, several=False)
        if not self.may_propose:
            return single
        best: Verdict = head(conditioned, maps, clicks, head.no_mask, several=True)
        count = torch.ones_like(point_signs).sum()
        propose = (count >= self.fewest) & (count <= self.most)
        return Verdict(*(torch.where(propose, ours, one) for ours, one in zip(best, single, strict=True)))


class Label(nn.Module):
    """A mask H x W of 0 and 1, f4, f8, f16 -> logits, presence, pointer: the mask is taken as it is.

    The decoder is asked for the pointer alone; whether the object is there is what the mask says.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`.
    """

    kernel: Tensor
    coverage: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder = Decoder(model)
        self.prompts = model.prompt_encoder
        self.shrink = model.mask_downsample
        side = int(model.image_size)
        row = torch.tensor(_TRIANGLE) / sum(_TRIANGLE)
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)
        covered = functional.conv2d(torch.ones(1, 1, side, side), self.kernel, stride=4, padding=2)
        self.register_buffer("coverage", covered, persistent=False)

    def forward(self, mask: Tensor, f4: Tensor, f8: Tensor, f16: Tensor) -> Verdict:
        whole = mask[None, None]
        embedded = self.prompts.mask_embed(self.shrink(whole))
        head = self.decoder
        read: Verdict = head(f16, (f4, f8), head.no_points, embedded, several=True)
        there = (mask.amax(dim=(0, 1)) > 0).reshape(1)
        presence = there.to(mask.dtype) * MASK_SCALE + MASK_BIAS
        return Verdict(self._quarter(whole)[0, 0], presence, head.pointer(read.pointer, there))

    def _quarter(self, mask: Tensor) -> Tensor:
        """Logits of a mask at a quarter of its sides, antialiased; a border has its own weights."""
        logits = mask * MASK_SCALE + MASK_BIAS
        return functional.conv2d(logits, self.kernel, stride=4, padding=2) / self.coverage


def proposes(config: Any, clicks: int) -> bool:
    """Whether the decoder proposes several masks for a first prompt of so many clicks."""
    few = config.multimask_min_pt_num <= clicks <= config.multimask_max_pt_num
    return bool(config.multimask_output_in_sam and few)
