"""The interface of backbones; each is a module of `ermu.export.encoders`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

EncoderMaps = tuple[Tensor, Tensor, Tensor, Tensor]


class Encoder(nn.Module, ABC):
    """Maps of an image at strides 4, 8 and 16, for images with sides of a grid's rule (`GridRule`).

    A backbone is a subclass without constructor arguments in a module of its own, assigned to `PLUGIN`.

    Attributes:
        channels: Of the four maps that it returns.
        first_stage: What the names of the weights that make the stride-4 map begin with. A training leaves
            them alone: such filters are general, and their gradients are the dearest to compute.
    """

    channels: ClassVar[tuple[int, int, int, int]]
    first_stage: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def forward(self, x: Tensor) -> EncoderMaps:
        """f4, f8, f16, and at stride 16 again the map that is projected to tokens.

        Args:
            x: Normalised RGB, B x 3 x H x W.
        """
