"""Tensors in place of those that begin where a library on a GPU does not read or write."""

from __future__ import annotations

from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Tensors

ALIGNMENT = 256  # bytes: what TensorRT asks for, and cuDNN at most


class StandIns:
    """Aligned copies of the tensors of one graph that lie inside a larger buffer.

    Args:
        device: Where they lie.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._known: dict[str, DeviceTensor] = {}

    def of(self, tensors: Tensors) -> Tensors:
        """The tensors themselves, or a stand-in for each that is not aligned."""
        if all(tensor.address % ALIGNMENT == 0 for tensor in tensors.values()):
            return tensors
        return {n: t if t.address % ALIGNMENT == 0 else self._stand_in(n, t) for n, t in tensors.items()}

    def copy(self, tensors: Tensors, targets: Tensors) -> None:
        """Copies each tensor to its target where that is another one."""
        if tensors is not targets:
            for name, tensor in tensors.items():
                if targets[name] is not tensor:
                    self._device.copy(tensor, targets[name])

    def _stand_in(self, name: str, tensor: DeviceTensor) -> DeviceTensor:
        known = self._known.get(name)
        if known is None or (known.shape, known.dtype) != (tensor.shape, tensor.dtype):
            known = self._known[name] = self._device.empty(tensor.shape, tensor.dtype)
        return known
