"""What a frame must be, wherever one comes from: BGR on the host, or what a decoder has left on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from ermu.devices.base import Device
from ermu.devices.names import DeviceName
from ermu.errors import SourceError
from ermu.kernels.base.nv12 import Nv12
from ermu.types import Image


class GpuPicture:
    """A decoder's picture: segmented where it lies, brought down where somebody asks, freed with this.

    Takes the place of a BGR picture in `Segmenter.start` and `step`.

    Args:
        nv12: Its planes on the GPU, in which the work of whoever wrote them is ordered before ours.
        place: Which GPU.
        bring: Makes its BGR picture, uint8 H x W x 3, on the host; from any thread.
        lost: Whether the GPU has been reset since.
        again: Makes the BGR picture of what the GPU has lost; None where nobody can.

    Attributes:
        nv12: See above.
        place: See above.
    """

    def __init__(
        self,
        nv12: Nv12,
        place: DeviceName,
        bring: Callable[[], Image],
        *,
        lost: Callable[[], bool] = lambda: False,
        again: Callable[[], Image] | None = None,
    ) -> None:
        self.nv12, self.place, self._lost, self._again = nv12, place, lost, again
        self._bring: Callable[[], Image] | None = bring
        self._image: Image | None = None
        self._bringing = Lock()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its BGR picture, (H, W, 3); nothing is brought down for it."""
        return self.nv12.shape

    def image(self) -> Image:
        """Its BGR picture, brought down by the first who asks, and kept.

        Raises:
            SourceError: the GPU has lost it, and it comes from nowhere else.
        """
        with self._bringing:
            if self._image is None:
                self._image, self._bring = self._brought(), None
            return self._image

    @property
    def gone(self) -> bool:
        """Whether the GPU has lost it, and nobody has it any more."""
        return self._image is None and self._again is None and self._lost()

    def lies_on(self, device: Device) -> bool:
        """Whether a device's kernels can read it."""
        return place_of(device) == self.place and not self._lost()

    def _brought(self) -> Image:
        assert self._bring is not None
        try:
            return self._bring()
        except SourceError:
            if self._again is None:
                raise
        return self._again()


Picture = Image | GpuPicture


def place_of(device: Device) -> DeviceName:
    """The name of an open device."""
    return DeviceName(device.name, getattr(device, "index", 0))


def check_picture(picture: Picture, device: Device) -> tuple[int, int]:
    """Height and width of what a segmenter on a device is given.

    Raises:
        SourceError: it is neither BGR uint8 H x W x 3, nor a picture on that device.
    """
    if not isinstance(picture, GpuPicture):
        return check_frame(picture)
    if not picture.lies_on(device):
        raise SourceError(
            f"A picture was left on {picture.place}, the segmenter runs on {place_of(device)}.",
            expected=f"a picture on {place_of(device)}, which has not been reset since, or a BGR picture",
            fix="give its image()",
        )
    return picture.shape[:2]


def check_frame(frame: Image) -> tuple[int, int]:
    """A frame's height and width.

    Raises:
        SourceError: it is not BGR uint8 H x W x 3.
    """
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise SourceError(f"A frame is {found}.", expected="BGR uint8 H x W x 3")
    return frame.shape[0], frame.shape[1]
