"""EdgeTAM in transformers."""

from __future__ import annotations

from ermu.benchmarks.peer import PeerOptions
from ermu.benchmarks.systems.peer import SystemPeer
from ermu.benchmarks.systems.system import System
from ermu.runtime.bundle.bundle import BF16


class EdgeTamTransformers(SystemPeer):
    """See `SamSession`."""

    help = "EdgeTAM in transformers' own video session; random weights unless some are given"
    weights = "a folder of transformers with config.json and safetensors"
    needs = ("transformers", "timm", "torchvision")
    extra = "edgetam"

    def open(self, options: PeerOptions) -> System:
        """See `Peer.open`."""
        self.check_packages("edgetam-transformers")
        from ermu.benchmarks.systems.loading import EDGETAM
        from ermu.benchmarks.systems.sam import SamSession

        autocast = self.precision(options) == BF16
        return SamSession(EDGETAM.load(options.weights), options.threads, autocast=autocast)


PLUGIN = EdgeTamTransformers()
