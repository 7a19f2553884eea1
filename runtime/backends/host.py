"""Tensors in the host's memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ermu.devices.processors import usable_processors
from ermu.kernels.base.attention import Attention
from ermu.kernels.base.identity import IdentityEmbedding
from ermu.runtime.backends.base import Array, Backend, DeviceTensor
from ermu.runtime.bundle.bundle import Bundle


class HostBackend(Backend):
    """A backend whose tensors are numpy arrays."""

    device = "cpu"

    def bring(self, attention: Attention | None, bundle: Bundle, threads: int | None) -> None:
        """Takes in the kernels that a bundle in parts needs beside its graphs.

        Args:
            attention: Reads the memories; None where the graphs do everything.
            bundle: At the precision to run.
            threads: For each kernel; default, the processors that this process may use.
        """
        if attention is not None:
            self.attention, self.recall_precision = attention, bundle.manifest.precision
            self.identity = IdentityEmbedding(
                **bundle.identity_weights(), threads=threads or usable_processors()
            )

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        array = np.empty(tuple(shape), dtype)
        return DeviceTensor(array.ctypes.data, array.shape, array.dtype, array)

    def upload(self, array: Array, target: DeviceTensor) -> None:
        self.for_kernels(target)[...] = array

    def download(self, source: DeviceTensor) -> Array:
        return np.array(self.for_kernels(source))

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        self.for_kernels(target)[...] = self.for_kernels(source)

    def for_kernels(self, tensor: DeviceTensor) -> Array:
        """A numpy view of the tensor."""
        owner = tensor.owner
        assert isinstance(owner, np.ndarray)
        start = (tensor.address - owner.ctypes.data) // tensor.dtype.itemsize
        count = tensor.nbytes // tensor.dtype.itemsize
        view: Array = owner.reshape(-1)[start : start + count].reshape(tensor.shape)
        return view
