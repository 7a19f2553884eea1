"""A frame whose picture lies on a GPU: brought down when it is read, handed on where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ermu.devices.host import HostDevice
from ermu.devices.names import parse_device
from ermu.errors import SourceError
from ermu.runtime.images.frames import GpuPicture
from ermu.runtime.sources.base import Frame, live_frame, still_there
from tests.kernels.nv12_cases import drawn
from tests.runtime.images.test_frames import SIZE, fails, left

IMAGE = np.zeros((*SIZE, 3), np.uint8)


def test_a_picture_on_the_host_is_its_image() -> None:
    frame = Frame(3, "00003", IMAGE, 1.5)
    assert frame.image is IMAGE and frame.picture is IMAGE and frame.for_device(HostDevice()) is IMAGE
    assert (frame.shape, frame.time, frame.gone) == ((*SIZE, 3), 1.5, False)
    assert replace(frame, time=2.0).image is IMAGE
    with pytest.raises(TypeError, match="image"):
        Frame(3, "00003")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        frame.image = IMAGE  # type: ignore[misc]


def test_a_picture_on_a_device_is_handed_on_there() -> None:
    here = live_frame(0, left())
    assert here.for_device(HostDevice()) is here.picture
    elsewhere = live_frame(0, left(parse_device("cuda")))
    np.testing.assert_array_equal(elsewhere.for_device(HostDevice()), elsewhere.image)
    assert elsewhere.image.shape == elsewhere.shape == (*SIZE, 3)


def test_a_frame_whose_picture_is_gone() -> None:
    lost = False
    frame = live_frame(0, GpuPicture(drawn(SIZE), parse_device("cuda"), fails, lost=lambda: lost))
    assert still_there(frame) is frame
    lost = True
    assert frame.gone and still_there(frame) is None and still_there(None) is None
    with pytest.raises(SourceError):
        _ = frame.image
