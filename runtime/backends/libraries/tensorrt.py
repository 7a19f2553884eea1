"""TensorRT: engines built for one kind of GPU."""

from __future__ import annotations

from ermu.runtime.backends.tensorrt import TensorRTBackend


class TensorRT(TensorRTBackend):
    """See `TensorRTBackend`."""

    name = "tensorrt"
    help = "TensorRT, on CUDA: the fastest, from engines that `ermu build` makes"

    @classmethod
    def rank(cls, device: str, precision: str) -> int:
        """See `Backend.rank`: by what it is expected to do, not by a measurement of ours."""
        return 8 + (precision != "fp32")


PLUGIN = TensorRT
