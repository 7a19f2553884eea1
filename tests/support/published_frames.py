"""Frames as the golden runs had them: resized by OpenCV, whose cubic taps depend on how it was built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from ermu.runtime.encoder import FrameEncoder
from ermu.types import Image


@contextmanager
def published_frames() -> Iterator[None]:
    """Float images come from `cv2.resize` in here, so that what is compared is the network alone.

    With Intel's library in it OpenCV differs from the exact cubic by up to 0.024 of 255, which the kernels'
    own tests hold against float64.
    """
    ours = FrameEncoder.take

    def take(encoder: FrameEncoder, frame: Image) -> None:
        (image,) = encoder._images.values()
        if np.dtype(image.dtype) != np.float32:
            return ours(encoder, frame)
        height, width = image.shape[1:3]
        resized = cv2.resize(frame.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        encoder._backend.device.upload(np.ascontiguousarray(resized[None, :, :, ::-1]), image)
        encoder._encoded = False
        return None

    FrameEncoder.take = take  # type: ignore[method-assign]
    try:
        yield
    finally:
        FrameEncoder.take = ours  # type: ignore[method-assign]
