"""DAVIS 2017: train and val with every frame annotated, test-dev and test-challenge with the first alone."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, listed, sequences_in
from ermu.evaluation.sequences import VideoSequence

KINDS = ("JPEGImages", "Annotations")


class Davis2017(Layout):
    """The release at one resolution.

    Attributes:
        resolution: The folder of its frames and of its annotations.
    """

    help = "DAVIS 2017 at 480p; test-dev too"
    resolution = "480p"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        names = listed(root / "ImageSets" / "2017" / f"{split}.txt")
        images, annotations = (folder_in(root, f"{kind}/{self.resolution}") for kind in KINDS)
        return sequences_in(images, annotations, names)


PLUGIN = Davis2017
