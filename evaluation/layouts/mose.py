"""MOSE: train with every frame annotated, valid with the first alone; no lists."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, sequences_in, split_folder
from ermu.evaluation.sequences import VideoSequence


class Mose(Layout):
    """A folder a split, JPEGImages and Annotations in each."""

    help = "MOSE"
    split = "valid"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        place = split_folder(root, split)
        return sequences_in(folder_in(place, "JPEGImages"), folder_in(place, "Annotations"), later=True)


PLUGIN = Mose
