"""The memory bank of a clip in training: the first frame and the newest others, first in, first out."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

KeyValue = tuple[Tensor, Tensor]


class FifoMemory:
    """Holds at most `capacity` frames; the first one stays, the oldest of the others leaves.

    Args:
        first: The reference frame's (key, value) of every block, each B x n x channels.
        capacity: Frames held at most, the reference included; at least 1.
    """

    def __init__(self, first: list[KeyValue], capacity: int) -> None:
        self._first = first
        self._others: deque[list[KeyValue]] = deque(maxlen=capacity - 1)

    def __len__(self) -> int:
        return 1 + len(self._others)

    def append(self, entry: list[KeyValue]) -> None:
        """Takes a frame in; where the memory is full, the oldest but the first leaves."""
        self._others.append(entry)

    def stacked(self) -> list[KeyValue]:
        """Per block, keys and values B x T x n x channels, oldest frame first."""
        frames = (self._first, *self._others)
        return [
            (torch.stack([key for key, _ in block], dim=1), torch.stack([value for _, value in block], dim=1))
            for block in zip(*frames, strict=True)
        ]
