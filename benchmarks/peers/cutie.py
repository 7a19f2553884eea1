"""Cutie, of the package rf-cutie."""

from __future__ import annotations

from ermu.benchmarks.peer import PeerOptions
from ermu.benchmarks.systems.peer import SystemPeer
from ermu.benchmarks.systems.system import System
from ermu.runtime.bundle.bundle import BF16


class CutiePeer(SystemPeer):
    """See `ermu.benchmarks.systems.cutie.Cutie`."""

    help = "Cutie-base in its own inference core; random weights unless some are given"
    weights = "a checkpoint of Cutie"
    needs = ("cutie.inference", "omegaconf", "einops")
    extra = "cutie"

    def open(self, options: PeerOptions) -> System:
        """See `Peer.open`."""
        self.check_packages("cutie")
        from ermu.benchmarks.systems.cutie import Cutie
        from ermu.benchmarks.systems.cutie_loading import load_cutie

        network, name = load_cutie(options.weights)
        trained, autocast = options.weights is not None, self.precision(options) == BF16
        return Cutie(network, name, options.threads, trained=trained, autocast=autocast)


PLUGIN = CutiePeer()
