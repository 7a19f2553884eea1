"""Pictures that a decoder has left on a device: brought down once, refused by whoever cannot read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ermu.devices.host import HostDevice
from ermu.devices.names import DeviceName, parse_device
from ermu.errors import SourceError
from ermu.kernels.base.nv12 import bgr_of
from ermu.runtime.images.frames import GpuPicture, check_picture
from ermu.types import Image
from tests.kernels.nv12_cases import drawn
from tests.runtime.conftest import boxes

SIZE = (64, 80)
HOST = DeviceName("cpu")  # its planes are arrays, which its kernels read


def left(place: DeviceName = HOST, **how: object) -> GpuPicture:
    nv12 = drawn(SIZE, padding=16)
    return GpuPicture(nv12, place, lambda: bgr_of(nv12), **how)  # type: ignore[arg-type]


def fails() -> Image:
    raise SourceError("The GPU has lost it.")


def test_it_is_brought_down_once() -> None:
    asked = []
    picture = GpuPicture(drawn(SIZE), HOST, lambda: asked.append(1) or np.zeros((*SIZE, 3), np.uint8))  # type: ignore[func-returns-value]
    assert picture.shape == (*SIZE, 3) and not asked
    assert picture.image() is picture.image()
    assert asked == [1]


def test_what_is_lost_comes_again_where_it_can() -> None:
    image = np.ones((*SIZE, 3), np.uint8)
    again = GpuPicture(drawn(SIZE), HOST, fails, lost=lambda: True, again=lambda: image)
    assert not again.gone and again.image() is image and not again.lies_on(HostDevice())
    gone = GpuPicture(drawn(SIZE), HOST, fails, lost=lambda: True)
    assert gone.gone
    with pytest.raises(SourceError, match="has lost it"):
        gone.image()


def test_what_came_down_before_is_not_gone() -> None:
    lost = False
    picture = left(lost=lambda: lost)
    image, lost = picture.image(), True
    assert picture.image() is image and not picture.gone


def test_a_picture_on_another_device_is_refused() -> None:
    assert check_picture(left(), HostDevice()) == SIZE
    with pytest.raises(SourceError, match=r"(?s)left on cuda:1, the segmenter runs on cpu.*image\(\)"):
        check_picture(left(parse_device("cuda:1")), HostDevice())
    with pytest.raises(SourceError, match="BGR"):
        check_picture(np.zeros(SIZE, np.uint8), HostDevice())


def test_a_segmenter_follows_pictures_as_their_bgr(tiny_segmenter: Callable) -> None:
    label = boxes(*SIZE, id1=(10, 10, 40, 40))
    found = []
    for given in (left(), left().image()):
        segmenter = tiny_segmenter()
        segmenter.start(given, label)
        found.append([segmenter.step(given).label for _ in range(3)])
    np.testing.assert_array_equal(*found)


def test_a_segmenter_refuses_one_elsewhere_and_goes_on(tiny_segmenter: Callable) -> None:
    segmenter = tiny_segmenter()
    segmenter.start(left(), boxes(*SIZE, id1=(10, 10, 40, 40)))
    with pytest.raises(SourceError, match="left on cuda"):
        segmenter.step(left(parse_device("cuda")))
    small = GpuPicture(drawn((32, 80)), HOST, fails)
    with pytest.raises(SourceError, match="80x32, the first was 80x64"):
        segmenter.step(small)
    with pytest.raises(SourceError, match="left on cuda"):
        segmenter.start(left(parse_device("cuda")))
    assert segmenter.step(left()).frame == 1
