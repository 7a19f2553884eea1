"""Faults planted on purpose, by name; prints what the emulated GPU made of one."""

from __future__ import annotations

import sys
from threading import Thread

import numpy as np

from ermu.devices.cuda import CudaDevice
from ermu.devices.driver.library import call, created
from ermu.devices.driver.staging import Pinned
from ermu.errors import BackendError

ONES = np.ones(1024, np.float32)


def pushed_context() -> None:
    """A thread ends with a context on its stack."""
    with CudaDevice() as device:
        thread = Thread(target=lambda: call("cuCtxPushCurrent_v2", device._context._handle))
        thread.start()
        thread.join()


def freed_buffer() -> None:
    """Memory is used after it was freed."""
    with CudaDevice() as device:
        kept, gone = device.empty(ONES.shape, "f4"), device.empty(ONES.shape, "f4")
        device.upload(ONES, gone)
        gone.owner.free()  # type: ignore[attr-defined]
        device.copy(gone, kept)
        device.synchronize()


def freed_buffer_in_a_graph() -> None:
    """A captured graph reads memory that was freed after it was captured."""
    with CudaDevice() as device:
        kept, gone = device.empty(ONES.shape, "f4"), device.empty(ONES.shape, "f4")
        device.upload(ONES, gone)
        graph = device.capture(lambda: device.copy(gone, kept))
        gone.owner.free()  # type: ignore[attr-defined]
        graph.launch()
        device.synchronize()


def dropped_synchronisation() -> None:
    """A download that does not wait."""
    with CudaDevice() as device:
        tensor = device.empty(ONES.shape, "f4")
        device.upload(ONES, tensor)
        with device.current("planting"):
            pinned = Pinned(ONES.nbytes)
            call("cuMemcpyDtoHAsync_v2", pinned.address, tensor.address, ONES.nbytes, device.stream)
            early = pinned.memory.copy()
            call("cuStreamSynchronize", device.stream)
            print("stale" if not early.any() and pinned.memory.any() else "fresh")
            pinned.free()


def swapped_stream() -> None:
    """A reader in another stream than the writer's, with no event between them."""
    with CudaDevice() as device:
        tensor = device.empty(ONES.shape, "f4")
        device.upload(ONES, tensor)
        with device.current("planting"):
            pinned, other = Pinned(ONES.nbytes), created("cuStreamCreate", 0)
            call("cuMemcpyDtoHAsync_v2", pinned.address, tensor.address, ONES.nbytes, other)
            call("cuStreamSynchronize", other)
            unordered = pinned.memory.view(np.float32).copy()
            call("cuStreamSynchronize", device.stream)
            call("cuMemcpyDtoHAsync_v2", pinned.address, tensor.address, ONES.nbytes, other)
            call("cuStreamSynchronize", other)
            ordered = pinned.memory.view(np.float32)
            print("stale" if np.isnan(unordered).all() and (ordered == 1).all() else "fresh")
            pinned.free()
            call("cuStreamDestroy_v2", other)


def pinned_after_a_reset() -> None:
    """The host's own memory that the driver took back is read."""
    device = CudaDevice()
    word, _ = device.shared_word()
    device.reset()
    print(word[0])


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]]()
    except BackendError as error:
        print(error.problem)
