"""Names for the arrays that cross the project's boundaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Image = npt.NDArray[np.uint8]  # H x W x 3, BGR unless a name says RGB
LabelMap = npt.NDArray[np.uint8]  # H x W: ids 1 to 254, 0 background, 255 ignore
Mask = npt.NDArray[np.bool_]  # H x W
Vector = npt.NDArray[np.floating]
