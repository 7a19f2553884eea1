"""A clip to train on, and what the memory needs of its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ermu.training.learning.losses import IGNORE

IDENTITIES = 11  # background and ten objects


@dataclass(frozen=True)
class Clip:
    """Frames of one video, augmented, ids shuffled.

    Attributes:
        frames: T x 3 x H x W uint8, RGB.
        labels: T x H x W uint8, ids 0..10 or 255; every id also occurs in frame 0.
        alive: 11 bool, the background and the ids that occur.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    alive: NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Clips of equal size, time first.

    Attributes:
        frames: T x B x 3 x H x W uint8, RGB.
        labels: T x B x H x W uint8.
        alive: B x 11 bool.
    """

    frames: Tensor
    labels: Tensor
    alive: Tensor

    @staticmethod
    def of(clips: list[Clip]) -> Batch:
        """Stacks clips."""
        frames = torch.from_numpy(np.stack([clip.frames for clip in clips], axis=1))
        labels = torch.from_numpy(np.stack([clip.labels for clip in clips], axis=1))
        return Batch(frames, labels, torch.from_numpy(np.stack([clip.alive for clip in clips])))

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(*(t.to(device, non_blocking=True) for t in (self.frames, self.labels, self.alive)))


def one_hot(label: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The identity bank's input: B x 12 x H x W, ids 0..10 and then the ignore channel.

    Args:
        label: B x H x W integers, 0..10 or 255.
    """
    channel = torch.where(label == IGNORE, IDENTITIES, label.long())
    return F.one_hot(channel, IDENTITIES + 1).movedim(-1, 1).to(dtype)
