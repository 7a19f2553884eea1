"""Which frames of a video a clip shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ermu.training.learning.losses import IGNORE

_CLIP_DRAWS = 5
_LEAST_PIXELS = 200
_REFERENCE_DRAWS = 20
_REFERENCE_DRAWS_WITH_THRESHOLD = 40

Label = Callable[[int], NDArray[np.uint8]]


def frame_indices(rng: np.random.Generator, available: int, count: int, max_gap: int) -> list[int]:
    """Draws the frames of a clip: a random gap, up to `max_gap`, before each; reversed half of the time.

    A video too short for the gaps drawn is walked with smaller ones, back and forth if it must be.
    """
    gaps = rng.integers(1, max_gap + 1, size=count - 1)
    while gaps.sum() > available - 1 and gaps.max(initial=1) > 1:
        gaps = np.maximum(gaps - 1, 1)
    start = int(rng.integers(0, max(1, available - gaps.sum())))
    steps = start + np.concatenate(([0], np.cumsum(gaps)))
    if rng.random() < 0.5:
        steps = steps[::-1]
    return _reflected(steps, available)


def published_indices(
    rng: np.random.Generator,
    label: Label,
    available: int,
    count: int,
    max_gap: int,
    ignore_threshold: float | None = None,
) -> list[int]:
    """Draws the frames of a clip as the published code does (`docs/spec/training.md`, 'Clips').

    Drawn anew, five times at most, while a later frame shows an object that the first one lacks. At the
    video's end the walk turns back.

    Args:
        rng: Decides everything.
        label: Reads the label map of a frame of the video.
        available: Annotated frames of the video, at least 2.
        count: Frames of the clip.
        max_gap: Most frames between two of the clip.
        ignore_threshold: Most ignored pixels in the first frame, as a share of those that are not background.
    """
    backwards = bool(rng.random() < 0.5)

    def place(index: int) -> int:
        return available - 1 - index if backwards else index

    chosen: list[int] = []
    for _ in range(_CLIP_DRAWS):
        gaps = rng.integers(1, max_gap + 1, size=count - 1)
        last = available if ignore_threshold is None else available - count
        first = _reference(rng, lambda i: label(place(i)), last, ignore_threshold)
        steps = first + np.concatenate(([0], np.cumsum(gaps)))
        chosen = [place(i) for i in _reflected(steps, available)]
        if not _newcomers([label(i) for i in chosen]):
            break
    return chosen


def _reference(rng: np.random.Generator, label: Label, span: int, ignore_threshold: float | None) -> int:
    """The first frame, one of the first `span`: the first draw that shows enough, or the last draw."""
    if span <= 1:
        return 0
    chosen, refused = 0, set[int]()
    draws = _REFERENCE_DRAWS if ignore_threshold is None else _REFERENCE_DRAWS_WITH_THRESHOLD
    for _ in range(draws):
        chosen = int(rng.integers(span))
        if chosen in refused:
            continue
        if _shows_enough(label(chosen), ignore_threshold):
            break
        refused.add(chosen)
    return chosen


def _shows_enough(label: NDArray[np.uint8], ignore_threshold: float | None) -> bool:
    shown = np.count_nonzero(label)
    if shown <= _LEAST_PIXELS:
        return False
    return ignore_threshold is None or bool(np.count_nonzero(label == IGNORE) <= ignore_threshold * shown)


def _newcomers(labels: list[NDArray[np.uint8]]) -> set[int]:
    """Objects of later frames that the first one lacks."""
    known, *later = [set(np.unique(label).tolist()) for label in labels]
    return set().union(*later) - known - {0, IGNORE}


def _reflected(steps: NDArray[np.intp], available: int) -> list[int]:
    """Indices of a walk that turns back at both ends of the video."""
    period = max(1, 2 * (available - 1))
    folded = steps % period
    return [int(i) for i in np.minimum(folded, period - folded)]
