"""Torch, compiled."""

from __future__ import annotations

from ermu.benchmarks.peer import Peer, PeerOptions, checkpoint_of
from ermu.runtime.backends.base import Backend


class TorchCompile(Peer):
    """See `TorchBackend`."""

    help = "the same through torch.compile with static shapes, once the memory is full"

    def open(self, options: PeerOptions) -> Backend:
        """See `Peer.open`."""
        checkpoint = checkpoint_of(options, "torch-compile")
        from ermu.benchmarks.backends.torch import TorchBackend

        return TorchBackend(options.opening(), checkpoint, compiled_from=options.memory)


PLUGIN = TorchCompile()
