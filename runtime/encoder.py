"""A frame's features: prepared and encoded once, for however many objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.images.frames import GpuPicture, Picture
from ermu.runtime.memory.workspace import allocate
from ermu.types import Image


class FrameEncoder:
    """Runs the plan's graphs that run once a frame, `encode` first, on one frame after another.

    Args:
        backend: Runs the graphs.
        grids: Network input size.

    Attributes:
        features: What those graphs make, by name; valid after `encode`.
    """

    def __init__(self, backend: Backend, grids: Grids) -> None:
        self._backend, self._resampling = backend, backend.bundle.manifest.input.resampling
        self._graphs = backend.plan.once
        graphs = [backend.graphs[name] for name in self._graphs]
        images = [t for t in graphs[0].inputs if t.role is Role.INPUT]
        self._images = allocate(backend.device, images, grids.symbols())
        made = [t for graph in graphs for t in graph.outputs]
        self.features = allocate(backend.device, made, grids.symbols())
        self._encoded = False

    @property
    def image(self) -> DeviceTensor:
        """The frame taken last at network size, 1 x H x W x 3; whoever writes it has it encoded again."""
        (image,) = self._images.values()
        return image

    def take(self, frame: Picture) -> None:
        """Resizes a frame (BGR uint8 H x W x 3, or a picture on the device) to network size.

        `encode` will find it; a picture on the device may be let go when this returns.
        """
        out = self._backend.device.kernel_argument(self.image.at(0))
        pixels = self._backend.kernels.pixels
        if isinstance(frame, GpuPicture):
            pixels.prepare_nv12(frame.nv12, out, self._resampling)
        else:
            pixels.prepare_frame(frame, out, self._resampling)
        self._encoded = False

    @contextmanager
    def aside(self, frame: Image) -> Iterator[None]:
        """Encodes another frame for a while; the one taken last is the one to be encoded again afterwards."""
        device, image = self._backend.device, self.image
        taken = device.empty(image.shape, image.dtype)
        device.copy(image, taken)
        try:
            self.take(frame)
            self.encode()
            yield
        finally:
            device.copy(taken, image)
            self._encoded = False

    def encode(self) -> None:
        """Features of the frame taken last, once; a frame without objects never needs any."""
        if not self._encoded:
            for graph in self._graphs:
                self._backend.run(graph, {**self._images, **self.features})
            self._encoded = True
