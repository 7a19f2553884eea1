"""Torch, as the published code stands."""

from __future__ import annotations

from ermu.benchmarks.peer import PeerOptions, TorchPeer, checkpoint_of
from ermu.runtime.backends.base import Backend


class TorchPublished(TorchPeer):
    """See `TorchBackend`."""

    help = "the same network in torch, every attention materialised as published"

    def open(self, options: PeerOptions) -> Backend:
        """See `Peer.open`."""
        checkpoint = checkpoint_of(options, "torch-published")
        from ermu.benchmarks.backends.torch import TorchBackend

        return TorchBackend(options.opening(), checkpoint)


PLUGIN = TorchPublished()
