"""TensorRT-RTX: engines that any RTX GPU finishes compiling."""

from __future__ import annotations

from ermu.runtime.backends.tensorrt import TensorRTBackend


class TensorRTRtx(TensorRTBackend):
    """See `TensorRTBackend`."""

    name = "tensorrt-rtx"
    help = "TensorRT-RTX, on CUDA: engines that any RTX GPU can run"


PLUGIN = TensorRTRtx
