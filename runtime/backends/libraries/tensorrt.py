"""TensorRT: engines built for one kind of GPU."""

from __future__ import annotations

from ermu.runtime.backends.tensorrt import TensorRTBackend


class TensorRT(TensorRTBackend):
    """See `TensorRTBackend`."""

    name = "tensorrt"
    help = "TensorRT, on CUDA: the fastest, from engines that `ermu build` makes"


PLUGIN = TensorRT
