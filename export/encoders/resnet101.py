"""ResNet-101 up to stride 16: the encoder of the zoo's R101 model."""

from __future__ import annotations

from ermu.export.encoders.resnet50 import ResNet50


class ResNet101(ResNet50):
    """Stages 1 to 3 of ResNet-101; as `ResNet50` but for the length of the third."""

    depths = (3, 4, 23)


PLUGIN = ResNet101
