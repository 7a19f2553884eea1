"""OpenVINO on the whole graphs."""

from __future__ import annotations

from ermu.benchmarks.peer import Peer, PeerOptions
from ermu.errors import DependencyError
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.libraries.openvino import OpenVinoBackend


class ExactShapes(OpenVinoBackend):
    """Compiled anew for every number of memory frames, as somebody would who knows it."""

    open_symbols = frozenset()


class OpenVino(Peer):
    """See `OpenVinoBackend`."""

    help = "the bundle's graphs in OpenVINO, in our precision, compiled for the exact shapes"

    def precision(self, options: PeerOptions) -> str:
        """See `Peer.precision`."""
        return options.precision

    def open(self, options: PeerOptions) -> Backend:
        """See `Peer.open`."""
        if OpenVinoBackend.misfits(options.bundle, "cpu"):
            raise DependencyError("openvino", "The peer openvino", "openvino")
        return ExactShapes(options.opening(self.precision(options)))


PLUGIN = OpenVino()
