"""A clip seen frame by frame through a bounded memory, as the runtime does it, and the loss of that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ermu.export.network.network import Features, SegmentationNetwork
from ermu.training.data.clip import Batch, one_hot
from ermu.training.learning.losses import frame_loss, silence_unused
from ermu.training.learning.memory import FifoMemory


@dataclass(frozen=True)
class UnrollSettings:
    """What a step fixes about the unrolling.

    Attributes:
        capacity: Frames in the memory at most, the reference included.
        memory_gap: A frame enters the long memory when this many have passed since the last that did.
        own_predictions: Whether the memory is written from predictions; otherwise from the labels.
        hardest: Share of the pixels in the cross-entropy.
        reference_weight: Weight of the reference frame's own loss.
        loss_stride: Pixels between two at which the loss looks, 1, 2 or 4. The logits lie on a grid of stride
            4: at stride 4 they are judged where they are (exactly, with aligned corners), for a sixteenth of
            the cost.
    """

    capacity: int = 9
    memory_gap: int = 1
    own_predictions: bool = False
    hardest: float = 1.0
    reference_weight: float = 1.0
    loss_stride: int = 4


class ClipLoss(nn.Module):
    """The network with its loss on top, so that distributed training wraps both.

    Args:
        network: A `SegmentationNetwork`.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, settings: UnrollSettings) -> dict[str, Tensor]:
        """The loss of a batch.

        Returns:
            Scalars: `loss` to minimise; `frames`, the mean loss of the propagated frames; `reference`, the
            reference frame's own; `jaccard`, the mean J of the last frame's objects (no gradient).
        """
        network, length = self.network, len(batch.frames)
        aligned = network.spec.align_corners
        features = self._encode(batch.frames)
        entry_identity = network.embed_identity(one_hot(batch.labels[0]))
        z, entry = network.reference(features[0].p, entry_identity)
        reference = self._loss(network.decode(z, features[0]), batch, 0, settings)
        memory, last_update, losses = FifoMemory(entry.long, settings.capacity), 0, []
        for t in range(1, length):
            rows = network.temporal_rows(len(memory))
            z, carry = network.propagate(features[t].p, memory.stacked(), rows, entry.short)
            logits = network.decode(z, features[t])
            losses.append(self._loss(logits, batch, t, settings))
            if t == length - 1:
                break
            label = _predicted(logits, batch, t, aligned) if settings.own_predictions else batch.labels[t]
            entry = network.memorize(carry, network.embed_identity(one_hot(label)))
            if t - last_update >= settings.memory_gap:
                memory.append(entry.long)
                last_update = t
        frames = torch.stack(losses).mean()
        loss = frames + settings.reference_weight * reference
        jaccard = _jaccard(logits.detach(), batch, length - 1, aligned)
        return {"loss": loss, "frames": frames.detach(), "reference": reference.detach(), "jaccard": jaccard}

    def _encode(self, frames: Tensor) -> list[Features]:
        """Encodes all frames at once and parts the maps by time."""
        length, images = len(frames), frames.flatten(0, 1).float()
        images = self.network.normalize(images).contiguous(memory_format=torch.channels_last)
        maps = [m.chunk(length) for m in self.network.encode(images)]
        return [Features(*(m[t] for m in maps)) for t in range(length)]

    def _loss(self, logits: Tensor, batch: Batch, t: int, settings: UnrollSettings) -> Tensor:
        aligned = self.network.spec.align_corners
        label = _reduced(batch.labels[t], settings.loss_stride, aligned)
        return frame_loss(logits, label, batch.alive, settings.hardest, align_corners=aligned)


def _reduced(label: Tensor, stride: int, align_corners: bool) -> Tensor:
    """Every `stride`-th pixel of B x H x W: those on corners, or those next to the centres of the cells."""
    first = 0 if align_corners else stride // 2
    return label[:, first::stride, first::stride].long()


@torch.no_grad()
def _predicted(logits: Tensor, batch: Batch, t: int, align_corners: bool) -> Tensor:
    """The label map that the runtime would write to memory: B x H x W."""
    size = (batch.labels.shape[-2], batch.labels.shape[-1])
    full = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=align_corners)
    return silence_unused(full, batch.alive).argmax(1)


@torch.no_grad()
def _jaccard(logits: Tensor, batch: Batch, t: int, align_corners: bool) -> Tensor:
    """Mean intersection over union of the objects at stride 4; absent and not predicted counts as 1."""
    label = _reduced(batch.labels[t], 4, align_corners)
    guess = silence_unused(logits.float(), batch.alive).argmax(1)
    truth, found = one_hot(label)[:, 1:-1], one_hot(guess)[:, 1:-1]
    shared = (truth * found).sum((2, 3))
    either = truth.sum((2, 3)) + found.sum((2, 3)) - shared
    alive = batch.alive[:, 1:]
    scores = torch.where(either > 0, shared / either.clamp(min=1), 1.0)
    return (scores * alive).sum() / alive.sum().clamp(min=1)
