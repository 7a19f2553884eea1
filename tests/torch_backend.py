"""The torch network behind the runtime's backend interface: same loop, no ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ermu.export.graphs import build_graphs
from ermu.export.network.network import SegmentationNetwork
from ermu.runtime.backends.base import DeviceTensor
from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeCpuBackend


class TorchBackend(OnnxRuntimeCpuBackend):
    """Numpy tensors like the CPU backend, but every graph is the torch module that it was traced from."""

    def __init__(self, network: SegmentationNetwork, image_dtype: str) -> None:
        self._graphs = {graph.name: graph for graph in build_graphs(network, image_dtype)}

    @torch.no_grad()
    def run(
        self, graph: str, inputs: Mapping[str, DeviceTensor], outputs: Mapping[str, DeviceTensor]
    ) -> None:
        module = self._graphs[graph]
        result = module.module(*(torch.from_numpy(self.for_kernels(inputs[t.name])) for t in module.inputs))
        result = (result,) if isinstance(result, Tensor) else result
        for tensor, value in zip(module.outputs, result, strict=True):
            self.for_kernels(outputs[tensor.name])[...] = value.numpy()

    def close(self) -> None:
        self._graphs.clear()
