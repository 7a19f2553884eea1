"""Folders of one's own: JPEGImages and Annotations, a folder a sequence."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, listed, sequences_in
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.files import visible_files


class Folder(Layout):
    """Every sequence that has annotations, unless there is a folder ImageSets, whose SPLIT.txt names some."""

    help = "folders of your own"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        images, annotations = folder_in(root, "JPEGImages"), folder_in(root, "Annotations")
        lists = root / "ImageSets"
        names = listed(lists / f"{split}.txt") if lists.is_dir() and visible_files(lists, ".txt") else None
        return sequences_in(images, annotations, names, later=True)


PLUGIN = Folder
