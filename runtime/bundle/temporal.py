"""Which row of the learned temporal embedding a memory frame gets."""

from __future__ import annotations

TEMPORAL_ROWS = 4


def temporal_row(t: int, frames: int) -> int:
    """Row for frame t of `frames`, oldest first (`docs/spec/network.md`, 'Position embeddings').

    Nine frames get 0, 0, 1, 1, 2, 2, 3, 3, 3.
    """
    if frames <= TEMPORAL_ROWS:
        return t
    return TEMPORAL_ROWS - 1 - (frames - 1 - t) * TEMPORAL_ROWS // frames
