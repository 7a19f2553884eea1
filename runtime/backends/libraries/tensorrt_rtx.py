"""TensorRT-RTX: engines that any RTX GPU finishes compiling."""

from __future__ import annotations

from ermu.runtime.backends.tensorrt import TensorRTBackend


class TensorRTRtx(TensorRTBackend):
    """See `TensorRTBackend`."""

    name = "tensorrt-rtx"
    help = "TensorRT-RTX, on CUDA: engines that any RTX GPU can run"

    @classmethod
    def rank(cls, device: str, precision: str) -> int:
        """See `Backend.rank`: by what it is expected to do, not by a measurement of ours."""
        return 6 + (precision != "fp32")


PLUGIN = TensorRTRtx
