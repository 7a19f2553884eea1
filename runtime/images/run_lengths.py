"""Run lengths of masks: COCO's compressed text, to and from pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.types import Mask


def coco_rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's compressed run lengths: columns first, beginning with zeros."""
    return {"size": [int(side) for side in mask.shape], "counts": coco_text(column_runs(mask))}


def coco_text(runs: Sequence[int]) -> str:
    """Run lengths as COCO compresses them.

    From the third run on, the difference to the run two before is stored; numbers go in groups of five bits,
    lowest first, 32 marking that more follow, each as the character 48 above.
    """
    return "".join(_characters(run - runs[i - 2] if i > 2 else run) for i, run in enumerate(runs))


def column_runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """The run lengths as numbers, COCO's uncompressed ones."""
    return runs_of(mask.T.ravel())


def coco_runs(counts: str) -> list[int]:
    """The run lengths that `coco_text` has compressed.

    Raises:
        ValueError: it is no such text.
    """
    runs: list[int] = []
    number = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"the character {character!r}")
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        number -= (1 << shift) if bits & 0x10 else 0
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("an end in the middle of a number")
    return runs


def runs_of(flat: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of zeros and ones in turn, the first of zeros."""
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def pixels_of(runs: Sequence[int], size: int) -> Mask:
    """The pixels whose `runs_of` are these.

    Args:
        runs: Zeros first, then ones, in turn.
        size: How many pixels there are.

    Raises:
        ValueError: a run is negative, or they are not so many pixels.
    """
    if any(run < 0 for run in runs):
        raise ValueError("a run of less than no pixels")
    if sum(runs) != size:
        raise ValueError(f"runs of {sum(runs)} pixels in a mask of {size}")
    values: Mask = np.zeros(len(runs), bool)
    values[1::2] = True
    pixels: Mask = np.repeat(values, runs)
    return pixels


def _characters(number: int) -> str:
    text = ""
    while True:
        bits, number = number & 0x1F, number >> 5
        done = number == (-1 if bits & 0x10 else 0)
        text += chr(48 + (bits if done else bits | 0x20))
        if done:
            return text
