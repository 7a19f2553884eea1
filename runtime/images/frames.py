"""What a frame must be, wherever one comes from."""

from __future__ import annotations

import numpy as np

from ermu.errors import SourceError
from ermu.types import Image


def check_frame(frame: Image) -> tuple[int, int]:
    """A frame's height and width.

    Raises:
        SourceError: it is not BGR uint8 H x W x 3.
    """
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise SourceError(f"A frame is {found}.", expected="BGR uint8 H x W x 3")
    return frame.shape[0], frame.shape[1]
