"""Things cut out of whole photographs: GrabCut from two guesses, kept where both agree on one clear thing.

GrabCut: C. Rother, V. Kolmogorov and A. Blake, "GrabCut": Interactive foreground extraction using iterated
graph cuts, ACM Transactions on Graphics 23(3), 2004.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.footage.collection import Entry, read

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_SIDE = 200
_KEPT = 400  # pixels a side at most
_MARGIN = 0.05
_GUESSES = (0.55, 0.8)  # axes of the middle ellipse that may be the thing, as shares of the picture's
_ROUNDS = 3
_AREA = (0.04, 0.6)
_AGREEMENT, _SOLIDITY, _CONTRAST, _AT_BORDER = 0.85, 0.45, 0.55, 0.02


@lru_cache(maxsize=512)
def extracted(entry: Entry) -> Image | None:
    """The thing in the middle of a photograph, H x W x 4 uint8, BGR and coverage; None where none is clear.

    Clear is a thing that is found alike from both guesses, in one piece, apart from the picture's border, and
    of other colours than the rest. It takes a quarter of a second, and is kept.
    """
    picture = read(entry)[:, :, :3]
    scale = min(1.0, _SIDE / max(picture.shape[:2]))
    resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = np.asarray(resized, np.uint8)
    masks = [_largest(_grab_cut(small, guess)) for guess in _GUESSES]
    both = masks[0] & masks[1]
    if both.sum() < _AGREEMENT * max(1, (masks[0] | masks[1]).sum()) or not _clear(small, both):
        return None
    return _cropped(picture, both, scale)


def _cropped(picture: Image, mask: Mask, scale: float) -> Image:
    """A picture's part around a mask of `scale` times its size, with the mask, smoothed, as coverage."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    window = mask[top : top + height, left : left + width].astype(np.float32)
    start, end = (
        (np.array(place) / scale).astype(int) for place in ((left, top), (left + width, top + height))
    )
    part = picture[start[1] : end[1], start[0] : end[0]]
    soft = cv2.resize(window, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_LINEAR)
    covered = np.clip(2 * (cv2.GaussianBlur(soft, (0, 0), 0.5 / scale) - 0.5) + 0.5, 0, 1) * 255
    whole = np.dstack([part, covered.astype(np.uint8)])
    shrink = min(1.0, _KEPT / max(part.shape[:2]))
    return np.asarray(cv2.resize(whole, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)


def _grab_cut(picture: Image, guess: float) -> Mask:
    height, width = picture.shape[:2]
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    axes = (round(guess * width / 2), round(guess * height / 2))
    cv2.ellipse(mask, (width // 2, height // 2), axes, 0, 0, 360, cv2.GC_PR_FGD, -1)
    edge = max(1, round(_MARGIN * min(height, width)))
    inner = mask[edge:-edge, edge:-edge].copy()
    mask[:] = cv2.GC_BGD
    mask[edge:-edge, edge:-edge] = inner
    cv2.setRNGSeed(1)  # of the clustering that begins it
    models = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, width, height)  # not looked at beside a mask
    cv2.grabCut(picture, mask, whole, models[0], models[1], _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD))


def _largest(mask: Mask) -> Mask:
    """The largest piece of a mask, smoothed, its small holes filled."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    piece = (pieces == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(piece, cv2.MORPH_CLOSE, kernel) > 0)


def _clear(picture: Image, mask: Mask) -> bool:
    share = float(mask.mean())
    if not _AREA[0] <= share <= _AREA[1]:
        return False
    edge = round(_MARGIN * min(mask.shape)) + 1
    inside = mask[edge:-edge, edge:-edge].sum()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(outlines)))
    return bool(
        mask.sum() - inside <= _AT_BORDER * mask.sum()
        and mask.sum() >= _SOLIDITY * hull
        and _distance(picture, mask) >= _CONTRAST
    )


def _distance(picture: Image, mask: Mask) -> float:
    """Bhattacharyya distance of the colours within and beyond a mask, 8 steps a channel: 0 alike, 1 apart."""
    within, beyond = (
        cv2.calcHist([picture], [0, 1, 2], side.astype(np.uint8), [8, 8, 8], [0, 256] * 3)
        for side in (mask, ~mask)
    )
    return float(cv2.compareHist(within, beyond, cv2.HISTCMP_BHATTACHARYYA))
