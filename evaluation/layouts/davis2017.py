"""DAVIS 2017: train and val with every frame annotated, test-dev and test-challenge with the first alone."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, listed, sequences_in
from ermu.evaluation.sequences import VideoSequence


class Davis2017(Layout):
    """The 480p release."""

    help = "DAVIS 2017 at 480p; test-dev too"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        names = listed(root / "ImageSets" / "2017" / f"{split}.txt")
        return sequences_in(folder_in(root, "JPEGImages/480p"), folder_in(root, "Annotations/480p"), names)


PLUGIN = Davis2017
