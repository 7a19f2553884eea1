"""What a predicted frame is judged by: cross-entropy on the hard pixels, soft Jaccard on the objects."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = 255
SILENCED = -1e4
_SMOOTH = 1.0


def silence_unused(logits: Tensor, alive: Tensor) -> Tensor:
    """Logits in which identities that the sample does not have cannot win, as in the runtime.

    Args:
        logits: (B, 11, h, w).
        alive: (B, 11) bool, true for the background and the sample's own ids.
    """
    return logits.masked_fill(~alive[:, :, None, None], SILENCED)


def bootstrapped_cross_entropy(logits: Tensor, label: Tensor, hardest: float) -> Tensor:
    """Mean cross-entropy over the hardest pixels of every frame (`docs/spec/evaluation.md`, 'Training').

    Args:
        logits: (B, 11, h, w).
        label: (B, h, w) int64 ids, 255 where no answer is known; those pixels count as solved.
        hardest: Share of the pixels that counts, in (0, 1].

    Returns:
        (B,), one loss a frame.
    """
    loss = F.cross_entropy(logits, label, ignore_index=IGNORE, reduction="none").flatten(1)
    if hardest >= 1:
        return loss.sum(1) / (label != IGNORE).flatten(1).sum(1).clamp(min=1)
    return loss.topk(max(1, int(hardest * loss.shape[1])), dim=1, sorted=False).values.mean(1)


def soft_jaccard(logits: Tensor, label: Tensor, alive: Tensor) -> Tensor:
    """One minus the mean soft intersection over union of the identities that are alive.

    Both counts are smoothed by one pixel, so that an object absent from label and prediction costs nothing.

    Args:
        logits: (B, 11, h, w).
        label: (B, h, w) int64 ids, 255 excluded.
        alive: (B, 11) bool.

    Returns:
        (B,), one loss a frame, in [0, 1).
    """
    known = (label != IGNORE).unsqueeze(1)
    truth = F.one_hot(label.masked_fill(label == IGNORE, 0), logits.shape[1]).movedim(-1, 1)
    truth = (truth * known).to(logits.dtype)
    chance = logits.softmax(1) * known
    shared = (chance * truth).sum((2, 3))
    either = (chance + truth).sum((2, 3)) - shared
    lost = 1 - (shared + _SMOOTH) / (either + _SMOOTH)
    return (lost * alive).sum(1) / alive.sum(1)


def frame_loss(
    logits: Tensor, label: Tensor, alive: Tensor, hardest: float, *, align_corners: bool
) -> Tensor:
    """Half bootstrapped cross-entropy, half soft Jaccard, averaged over the batch, computed in float32.

    Args:
        logits: (B, 11, h, w), resized to the label's size if that differs.
        label: (B, h', w') int64 ids or 255.
        alive: (B, 11) bool.
        hardest: Share of the pixels that the cross-entropy looks at.
        align_corners: How they are resized: the network's rule.
    """
    logits = logits.float()
    if logits.shape[-2:] != label.shape[-2:]:
        size = (label.shape[-2], label.shape[-1])
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=align_corners)
    logits = silence_unused(logits, alive)
    entropy = bootstrapped_cross_entropy(logits, label, hardest)
    return torch.mean(0.5 * entropy + 0.5 * soft_jaccard(logits, label, alive))
