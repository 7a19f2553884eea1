"""ONNX Runtime without optimisation."""

from __future__ import annotations

from ermu.benchmarks.backends.plain_onnxruntime import PlainOnnxRuntimeBackend
from ermu.benchmarks.peer import Peer, PeerOptions
from ermu.runtime.backends.base import Backend


class OnnxRuntimePlain(Peer):
    """See `PlainOnnxRuntimeBackend`."""

    help = "the bundle's graphs in ONNX Runtime, graph optimisation off, default settings"

    def open(self, options: PeerOptions) -> Backend:
        """See `Peer.open`."""
        return PlainOnnxRuntimeBackend(options.opening())


PLUGIN = OnnxRuntimePlain()
