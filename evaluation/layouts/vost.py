"""VOST: frames at 10 a second, annotations at 5, lists of sequences."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, listed, sequences_in
from ermu.evaluation.sequences import VideoSequence


class Vost(Layout):
    """See docs/spec/evaluation.md, 'Layout'."""

    help = "VOST"
    boundary = False

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        names = listed(root / "ImageSets" / f"{split}.txt")
        return sequences_in(folder_in(root, "JPEGImages_10fps"), folder_in(root, "Annotations"), names)


PLUGIN = Vost
