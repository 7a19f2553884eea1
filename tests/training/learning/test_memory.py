"""The training memory stays bounded, keeps the first frame and drops the oldest other one."""

from __future__ import annotations

import torch

from ermu.training.learning.memory import FifoMemory


def _entry(frame: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [
        (torch.full((2, 3, 4), float(frame + 100 * b)), torch.full((2, 3, 5), float(frame))) for b in range(2)
    ]


def test_fifo_keeps_the_first_frame_and_the_newest() -> None:
    memory = FifoMemory(_entry(0), capacity=4)
    sizes = []
    for frame in range(1, 8):
        memory.append(_entry(frame))
        sizes.append(len(memory))
    assert sizes == [2, 3, 4, 4, 4, 4, 4]
    blocks = memory.stacked()
    assert [block[0].shape for block in blocks] == [(2, 4, 3, 4)] * 2
    assert blocks[0][0][0, :, 0, 0].tolist() == [0, 5, 6, 7]
    assert blocks[1][0][1, :, 2, 3].tolist() == [100, 105, 106, 107]
    assert blocks[1][1].shape == (2, 4, 3, 5)
