"""DAVIS 2016: one object a sequence, whatever number it is stored with."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, listed, sequences_in
from ermu.evaluation.sequences import VideoSequence


class Davis2016(Layout):
    """The lists of DAVIS 2016 name the files of every frame, those of the 2017 release the sequences."""

    help = "DAVIS 2016, one object a sequence"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        lists = [root / "ImageSets" / folder / f"{split}.txt" for folder in ("2016", "480p")]
        lines = listed(next((path for path in lists if path.is_file()), lists[0]))
        names = [Path(line.split()[0]).parent.name if "/" in line else line for line in lines]
        images, annotations = folder_in(root, "JPEGImages/480p"), folder_in(root, "Annotations/480p")
        return sequences_in(images, annotations, dict.fromkeys(names), binary=True)


PLUGIN = Davis2016
