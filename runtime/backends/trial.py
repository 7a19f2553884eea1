"""A tiny graph on a device: `ermu doctor` has every backend run it, since what is installed need not work."""

from __future__ import annotations

import numpy as np

from ermu.devices.base import Device
from ermu.errors import BackendError

# The ONNX graph y = x + x of four floats (opset 17, IR 8), with no weights.
GRAPH = bytes.fromhex(
    "080812003a350a0e0a01780a017812017922034164641201675a0f0a01781"
    "20a0a08080112040a020804620f0a0179120a0a08080112040a02080442040a001011"
)


class Trial:
    """The graph's tensors.

    Args:
        device: Where they lie.

    Attributes:
        tensors: x and y, (4,) float32.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.tensors = {name: device.empty((4,), np.float32) for name in ("x", "y")}
        device.upload(np.arange(1, 5), self.tensors["x"])
        device.upload(np.full(4, np.nan), self.tensors["y"])

    def check(self) -> None:
        """Waits for the graph.

        Raises:
            BackendError: y is not 2 x.
        """
        found = self.device.download(self.tensors["y"])
        if not np.array_equal(found, [2, 4, 6, 8]):
            raise BackendError(f"x + x of 1, 2, 3, 4 came out as {found.tolist()}.", expected="2, 4, 6, 8")
