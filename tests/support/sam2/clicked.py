"""What transformers' SAM 2 sees of clicks on one frame, for prompters to be held against."""

from __future__ import annotations

from typing import Any

import torch

from tests.support.sam2.network import SIDE, small_model
from tests.support.sam2.session import Reference


def area_clicked(frame: Any, *clicks: Any) -> int:
    """Pixels of the object; clicks are points x y, then their signs (2 and 3: a box's corners)."""
    with torch.no_grad():
        logits = Reference(small_model()).step(frame, clicks=clicks).pred_masks
        full = torch.nn.functional.interpolate(logits, size=(SIDE, SIDE), mode="bilinear")
    return int((full > 0).sum())
