"""ONNX Runtime on the whole graphs."""

from __future__ import annotations

from ermu.benchmarks.backends.onnxruntime import DefaultOnnxRuntimeBackend
from ermu.benchmarks.peer import Peer, PeerOptions
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import BF16


class OnnxRuntime(Peer):
    """See `DefaultOnnxRuntimeBackend`."""

    help = "the bundle's graphs in ONNX Runtime, in our precision where it has it, default settings"

    def precision(self, options: PeerOptions) -> str:
        """See `Peer.precision`: it has no bf16 on CPUs."""
        return super().precision(options) if options.precision == BF16 else options.precision

    def open(self, options: PeerOptions) -> Backend:
        """See `Peer.open`."""
        return DefaultOnnxRuntimeBackend(options.opening(self.precision(options)))


PLUGIN = OnnxRuntime()
