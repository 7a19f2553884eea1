"""Torch at its best, compiled."""

from __future__ import annotations

from ermu.benchmarks.peers.torch_best import TorchBest


class TorchCompile(TorchBest):
    """See `TorchBest`."""

    help = "torch-best through torch.compile with static shapes, once the memory is full"
    compiled = True


PLUGIN = TorchCompile()
