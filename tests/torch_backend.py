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
from ermu.runtime.bundle.manifest import WHOLE


class TorchBackend(Backend):
    """Every graph is the torch module that it was traced from."""

    name, devices, plans = "torch", ("cpu",), (WHOLE,)

    def __init__(self, bundle: Bundle, network: SegmentationNetwork) -> None:
        device = HostDevice()
        super().__init__(Opening(bundle, WHOLE, device, load_kernels(device), threads=1))
        self._modules = build_graphs(network, bundle.manifest.input.dtype).graphs

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        return []

    @torch.no_grad()
    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        described, argument = self._modules[graph], self.device.kernel_argument
        result = described.module(*(torch.from_numpy(argument(inputs[t.name])) for t in described.inputs))
        result = (result,) if isinstance(result, Tensor) else result
        for tensor, value in zip(described.outputs, result, strict=True):
            argument(outputs[tensor.name])[...] = value.numpy()
