"""What graphs were bound to, made once for each set of tensors: those of a steady stream come back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ermu.devices.base import Device
from ermu.devices.gpu import GpuDevice
from ermu.devices.graphs.recorder import Work
from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Tensors

ALIGNMENT = 256  # bytes: what TensorRT asks of every address, and cuDNN at most
MOST = 64  # sets of tensors: addresses change when objects come and go

Bound = TypeVar("Bound")
Key = tuple[tuple[int, tuple[int, ...]], ...]
Copies = list[tuple[DeviceTensor, DeviceTensor]]


@dataclass(frozen=True)
class Binding(Generic[Bound]):
    """A graph bound to tensors.

    Attributes:
        bound: What the library made of them.
        before: Copies to make before it runs, from inputs that lie where the library does not read.
        after: Copies to make afterwards, to outputs that lie where it does not write.
    """

    bound: Bound
    before: Copies
    after: Copies

    def enqueue(self, device: GpuDevice, work: Work) -> None:
        """Puts the graph's work into the device's stream, between its copies."""
        for pair in self.before:
            device.copy(*pair)
        device.enqueue(work)
        for pair in self.after:
            device.copy(*pair)


class Bindings(Generic[Bound]):
    """Of one graph, by the addresses and shapes of its tensors, whose memory they do not keep.

    Args:
        device: Where the tensors lie.
        bind: Makes what the library needs, from a key and from the inputs and outputs by name.
        alignment: Of every address that the library takes, in bytes; others have stand-ins.
    """

    def __init__(
        self, device: Device, bind: Callable[[Key, Tensors, Tensors], Bound], *, alignment: int = 1
    ) -> None:
        self._device, self._bind, self._alignment = device, bind, alignment
        self._known: OrderedDict[Key, Binding[Bound]] = OrderedDict()
        self._stand_ins: dict[tuple[str, tuple[int, ...]], DeviceTensor] = {}

    def of(self, inputs: Tensors, outputs: Tensors) -> Binding[Bound]:
        """The binding of these tensors."""
        key = tuple([(t.address, t.shape) for way in (inputs, outputs) for t in way.values()])
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST:
                self._known.popitem(last=False)
            known = self._known[key] = self._bound(key, inputs, outputs)
        else:
            self._known.move_to_end(key)
        return known

    def clear(self) -> None:
        """Forgets every binding."""
        self._known.clear()
        self._stand_ins.clear()

    def _bound(self, key: Key, inputs: Tensors, outputs: Tensors) -> Binding[Bound]:
        placed = [{n: self._placed(n, t) for n, t in way.items()} for way in (inputs, outputs)]
        reads, writes = placed
        return Binding(
            self._bind(key, reads, writes),
            [(_address_of(t), reads[n]) for n, t in inputs.items() if reads[n].address != t.address],
            [(writes[n], _address_of(t)) for n, t in outputs.items() if writes[n].address != t.address],
        )

    def _placed(self, name: str, tensor: DeviceTensor) -> DeviceTensor:
        """The tensor itself, without its memory's owner, or its stand-in."""
        if tensor.address % self._alignment == 0:
            return _address_of(tensor)
        what = name, tensor.shape
        if what not in self._stand_ins:
            self._stand_ins[what] = self._device.empty(tensor.shape, tensor.dtype)
        return self._stand_ins[what]


def _address_of(tensor: DeviceTensor) -> DeviceTensor:
    return DeviceTensor(tensor.address, tensor.shape, tensor.dtype, None)
