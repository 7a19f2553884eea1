"""LVOS: a folder a split with its meta file; the test split has prompts alone."""

from __future__ import annotations

from pathlib import Path

from ermu.evaluation.layout import Layout, folder_in, listed_in_meta, sequences_in, split_folder
from ermu.evaluation.sequences import VideoSequence


class Lvos(Layout):
    """Versions 1 and 2; without the meta file, which is a download of its own, every annotated sequence."""

    help = "LVOS, versions 1 and 2"
    submitted_in = "Annotations/"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        place = split_folder(root, split)
        metas = [place / name for name in (f"{split}_meta.json", "meta.json")]
        meta = next((path for path in metas if path.is_file()), None)
        names = listed_in_meta(meta) if meta else None
        return sequences_in(
            folder_in(place, "JPEGImages"), folder_in(place, "Annotations"), names, later=True
        )


PLUGIN = Lvos
