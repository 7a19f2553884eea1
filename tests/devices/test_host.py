"""The host as a device."""

from __future__ import annotations

import numpy as np

from ermu.devices.host import HostDevice


def test_tensors_are_views_of_numpy_arrays() -> None:
    device = HostDevice()
    tensor = device.empty((3, 4, 2), np.float32)
    device.upload(np.arange(24).reshape(3, 4, 2), tensor)
    view = device.kernel_argument(tensor.at(1).reshaped(2, 4))
    np.testing.assert_array_equal(view, np.arange(8, 16).reshape(2, 4))
    view[:] = 0
    assert not device.download(tensor.at(1)).any()
    np.testing.assert_array_equal(device.download(tensor.first(1))[0], np.arange(8).reshape(4, 2))


def test_copies_and_downloads_are_copies() -> None:
    device = HostDevice()
    first, second = device.empty((6,), np.float16), device.empty((2, 3), np.float16)
    device.upload(np.arange(6), first)
    device.copy(first, second)
    found = device.download(second)
    device.upload(np.zeros(6), first)
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])
    device.synchronize()
    device.close()
