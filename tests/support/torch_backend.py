"""The torch network behind the runtime's backend interface: same loop, no ONNX."""

from __future__ import annotations

import torch
from torch import Tensor

from ermu.devices.host import HostDevice
from ermu.export.graphs import build_graphs
from ermu.export.network.network import SegmentationNetwork
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.bundle.bundle import Bundle


class TorchBackend(Backend):
    """On the host, where every graph is the torch module that it was traced from."""

    name = "torch"
    help = "torch, for tests"
    devices = ("cpu",)
    plans = ("whole", "external_attention")

    def __init__(
        self, bundle: Bundle, network: SegmentationNetwork, plan: str, kernels: str | None = None
    ) -> None:
        device = HostDevice()
        loaded = load_kernels(device, kernels, threads=2)
        super().__init__(Opening(bundle, plan, device, loaded, threads=2))
        self._graphs = {graph.name: graph for graph in build_graphs(network, bundle.manifest.input.dtype)}

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        return []

    @torch.no_grad()
    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        traced = self._graphs[graph]
        result = traced.module(*(torch.from_numpy(self._array(inputs, t.name)) for t in traced.inputs))
        result = (result,) if isinstance(result, Tensor) else result
        for tensor, value in zip(traced.outputs, result, strict=True):
            self._array(outputs, tensor.name)[...] = value.numpy()

    def _array(self, tensors: Tensors, name: str):  # type: ignore[no-untyped-def]
        return self.device.kernel_argument(tensors[name])
