"""SAM 2.1 in transformers."""

from __future__ import annotations

from ermu.benchmarks.peer import PeerOptions
from ermu.benchmarks.systems.peer import SystemPeer
from ermu.benchmarks.systems.system import System
from ermu.runtime.bundle.bundle import BF16


class Sam2Transformers(SystemPeer):
    """See `SamSession`."""

    help = (
        "SAM 2.1 hiera-tiny in transformers' own video session, eager; random weights unless some are given"
    )
    weights = "a folder of transformers with config.json and safetensors"
    needs = ("transformers",)
    extra = "sam2"
    compiled = False

    def open(self, options: PeerOptions) -> System:
        """See `Peer.open`."""
        self.check_packages("sam2-compile" if self.compiled else "sam2-transformers")
        from ermu.benchmarks.systems.loading import SAM2
        from ermu.benchmarks.systems.sam import SamSession

        loaded, autocast = SAM2.load(options.weights), self.precision(options) == BF16
        return SamSession(loaded, options.threads, autocast=autocast, compiled=self.compiled)


PLUGIN = Sam2Transformers()
