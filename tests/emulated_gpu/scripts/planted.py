"""Faults planted on purpose, by name; prints what the emulated GPU made of one."""

from __future__ import annotations

import sys
from threading import Thread

import numpy as np

from ermu.devices.cuda import CudaDevice
from ermu.errors import BackendError

ONES = np.ones(1024, np.float32)


def pushed_context() -> None:
    """A thread ends with a context on its stack: pycuda aborts the process."""
    with CudaDevice() as device:
        thread = Thread(target=device._held._context.push)
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
    import pycuda.driver as driver

    with CudaDevice() as device:
        tensor = device.empty(ONES.shape, "f4")
        device.upload(ONES, tensor)
        with device.current("planting"):
            pinned = driver.pagelocked_zeros(ONES.shape, np.float32)
            driver.memcpy_dtoh_async(pinned, tensor.address, device._held.stream)
            early = pinned.copy()
            device._held.stream.synchronize()
            print("stale" if not early.any() and pinned.all() else "fresh")
            del pinned


def swapped_stream() -> None:
    """A reader in another stream than the writer's, with no event between them."""
    import pycuda.driver as driver

    with CudaDevice() as device:
        tensor = device.empty(ONES.shape, "f4")
        device.upload(ONES, tensor)
        with device.current("planting"):
            pinned, other = driver.pagelocked_zeros(ONES.shape, np.float32), driver.Stream()
            driver.memcpy_dtoh_async(pinned, tensor.address, other)
            other.synchronize()
            unordered = pinned.copy()
            written = driver.Event().record(device._held.stream)
            other.wait_for_event(written)
            driver.memcpy_dtoh_async(pinned, tensor.address, other)
            other.synchronize()
            print("stale" if np.isnan(unordered).all() and pinned.all() else "fresh")
            del pinned, other, written


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]]()
    except BackendError as error:
        print(error.problem)
