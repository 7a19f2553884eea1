"""The identity embedding on NVIDIA GPUs, by runs of equal labels."""

from __future__ import annotations

import numpy as np

from ermu.devices.gpu import GpuDevice
from ermu.devices.tensor import DeviceTensor
from ermu.errors import KernelError
from ermu.kernels.base.identity import (
    LABELS,
    Identity,
    check_embedding,
    check_weights,
    padding_of,
    running_sums,
)
from ermu.kernels.cuda import params
from ermu.kernels.cuda.tensors import address_of, divided
from ermu.types import Array

CHANNELS_A_BLOCK = 128  # kIdentityThreads of identity.cu
LONGEST_SIDE = 32  # of a filter: its patch of labels lies in shared memory


class CudaIdentity(Identity):
    """See `Identity`; the table of running sums is uploaded once.

    Args:
        device: Where the kernels run.
        weight: (C, L, K, K) float32 on the host.
        bias: (C,) float32 on the host.

    Raises:
        KernelError: the weights do not fit.
    """

    def __init__(self, device: GpuDevice, weight: Array, bias: Array) -> None:
        check_weights(weight, bias)
        if weight.shape[3] > LONGEST_SIDE:
            raise KernelError(
                f"The identity filters have {weight.shape[3]} rows.",
                expected=f"at most {LONGEST_SIDE} on CUDA",
            )
        self._device, self._side = device, weight.shape[3]
        table = running_sums(weight)
        self._table, self._bias = (device.empty(array.shape, np.float32) for array in (table, bias))
        device.upload(table, self._table)
        device.upload(bias, self._bias)

    def embed(self, label: DeviceTensor, out: DeviceTensor) -> None:
        """See `Identity.embed`."""
        channels = self._bias.shape[0]
        height, width = check_embedding(label, out, channels)
        pointers = self._table.address, self._bias.address, address_of("label", label), address_of("out", out)
        labels = min(self._table.shape[0], LABELS)
        sizes = labels, self._side, padding_of(self._side), channels, *label.shape
        self._device.launch(
            "identity_tokens",
            (width, height, divided(channels, CHANNELS_A_BLOCK)),
            (CHANNELS_A_BLOCK, 1, 1),
            params.IdentityParams(*pointers, *sizes),
        )
