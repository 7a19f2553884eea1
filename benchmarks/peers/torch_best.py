"""Torch at its best without a compiler: fused attention, channels last, bfloat16 where ours rounds too."""

from __future__ import annotations

from ermu.benchmarks.peer import PeerOptions, TorchPeer, checkpoint_of
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import BF16, FP32


class TorchBest(TorchPeer):
    """See `TorchBackend` and its `Tuning`."""

    help = "the same in torch: fused attention, channels last, bf16 autocast where ours is in fewer bits"
    compiled = False

    def precision(self, options: PeerOptions) -> str:
        """See `Peer.precision`."""
        from ermu.benchmarks.backends.torch import multiplies_bf16

        return BF16 if options.precision != FP32 and multiplies_bf16() else FP32

    def open(self, options: PeerOptions) -> Backend:
        """See `Peer.open`."""
        checkpoint = checkpoint_of(options, "torch-compile" if self.compiled else "torch-best")
        from ermu.benchmarks.backends.torch import TorchBackend, Tuning

        compiled_from = options.memory if self.compiled else None
        tuning = Tuning(autocast=self.precision(options) == BF16, compiled_from=compiled_from)
        return TorchBackend(options.opening(), checkpoint, tuning)


PLUGIN = TorchBest()
