"""A GPU whose steady work is launched as CUDA graphs."""

from __future__ import annotations

import ctypes
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

from ermu.devices.cuda import CudaDevice
from ermu.devices.gpu import Size
from ermu.devices.graphs.recorder import Recorder, Work
from ermu.devices.tensor import DeviceTensor
from ermu.errors import BackendError, StateError
from ermu.types import Array


class RepeatingDevice(CudaDevice):
    """A `CudaDevice` that holds work back inside `repeating`; used by one thread at a time.

    Copies from and to the host are made at once, after whatever was held back. Memory that held back work
    reads or writes must not be dropped before `flush`.
    """

    def __init__(self, index: int = 0) -> None:
        super().__init__(index)
        self._recorder = Recorder(self.capture, super().synchronize)

    @property
    def launches(self) -> int:
        """See `Device.launches`: a CUDA graph counts once."""
        return self._recorder.launches

    def repeating(self) -> AbstractContextManager[None]:
        """See `GpuDevice.repeating`; with `ERMU_CUDA_SYNC=1` nothing is held back."""
        return nullcontext() if self._wait else self._recorder.recording()

    def enqueue(self, work: Work) -> None:
        """See `GpuDevice.enqueue`."""
        self._recorder.add(work)

    def flush(self) -> None:
        """See `GpuDevice.flush`."""
        self._recorder.flush()

    def forget_graphs(self) -> None:
        """Frees every CUDA graph, before what it was recorded from goes; a fault has done so already."""
        with suppress(BackendError, StateError):
            self._recorder.forget()

    def launch(
        self, function: str, grid: Size, block: Size, params: ctypes.Structure, *, once: bool = False
    ) -> None:
        """See `GpuDevice.launch`."""
        if once:
            self._at_once()
            super().launch(function, grid, block, params)
            return
        key = function, grid, block, bytes(params)
        self.enqueue(Work(key, partial(super().launch, function, grid, block, params)))

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        """See `Device.copy`."""
        key = source.address, target.address, source.nbytes
        self.enqueue(Work(key, partial(super().copy, source, target)))

    def upload(self, array: Array, target: DeviceTensor) -> None:
        """See `Device.upload`."""
        self._at_once()
        super().upload(array, target)

    def download(self, source: DeviceTensor) -> Array:
        """See `Device.download`."""
        self._at_once()
        return super().download(source)

    def synchronize(self) -> None:
        """See `Device.synchronize`."""
        self.flush()
        super().synchronize()

    def close(self) -> None:
        """See `Device.close`."""
        self.forget_graphs()
        super().close()

    def _at_once(self) -> None:
        self.flush()
        self._recorder.launches += 1
