"""What works of a GPU and of the backends: each part is not only looked for but tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ermu.devices.base import Device
from ermu.devices.host import HostDevice
from ermu.devices.names import DeviceName
from ermu.errors import BackendError
from ermu.kernels.loading import load_kernels
from ermu.kernels.numpy.pixels import NumpyPixels
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.trial import Trial


@contextmanager
def opened(place: DeviceName) -> Iterator[Device]:
    """The device; where a fault ends it here it is reset, so that the next trial is not its victim."""
    from ermu.devices.cuda import CudaDevice

    device = CudaDevice(place.index) if place.on_gpu else HostDevice()
    try:
        yield device
    finally:
        device.reset() if device.lost else device.close()


def try_memory(place: DeviceName) -> None:
    """A megabyte up and down again.

    Raises:
        BackendError: the device refuses, or what comes back is not what was sent.
    """
    sent = np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8)
    with opened(place) as device:
        tensor = device.empty(sent.shape, sent.dtype)
        device.upload(sent, tensor)
        if not np.array_equal(device.download(tensor), sent):
            raise BackendError("A megabyte that was copied to the device came back as another.")


def try_kernel(place: DeviceName) -> str:
    """Compiles or loads the kernels and launches one; returns which they are.

    Raises:
        ErmuError: they cannot be loaded, or what was computed is not what numpy computes.
    """
    frame = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    expected = np.empty((17, 33, 3), np.uint8)
    NumpyPixels().prepare_frame(frame, expected)
    with opened(place) as device:
        kernels = load_kernels(device)
        tensor = device.empty(expected.shape, expected.dtype)
        kernels.pixels.prepare_frame(frame, device.kernel_argument(tensor))
        apart = np.abs(device.download(tensor).astype(int) - expected)
        kernels.check_faults()
    if apart.max() > 1:
        raise BackendError(f"A frame resized by a kernel is {apart.max()} of 255 away from numpy's.")
    return kernels.name


def try_backend(backend: type[Backend], place: DeviceName) -> str | None:
    """Has a backend run a tiny graph; what it did in words, None where it tries nothing.

    Raises:
        BackendError: it comes out wrong, or not at all.
        Exception: whatever a library raises.
    """
    with opened(place) as device:
        trial = Trial(device)
        done = backend.try_out(trial)
        if done is not None:
            trial.check()
        return done


def attempt(work: Callable[[], object]) -> Exception | None:
    """What kept something from working, whatever it was: a library may raise anything."""
    try:
        work()
    except Exception as error:
        return error
    return None
