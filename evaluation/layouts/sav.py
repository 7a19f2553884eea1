"""SA-V val and test: frames at 24 a second, annotations at 6, a folder of masks for each object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ermu.errors import DatasetError
from ermu.evaluation.layout import Layout, folder_in, listed
from ermu.evaluation.sequences import FolderSequence, VideoSequence, read_annotation
from ermu.runtime.files import natural_key, visible_files, visible_folders
from ermu.runtime.images.labels import MAX_OBJECTS
from ermu.types import LabelMap


@dataclass(frozen=True)
class SavSequence(FolderSequence):
    """A sequence whose objects may overlap: object n is the n-th folder of masks.

    A label map cannot show two objects in one pixel: in prompts the smaller one lies on top. Each is scored
    against its own mask.
    """

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Names of the objects' folders, by id from 1 on."""
        names = tuple(path.name for path in visible_folders(self.annotations))
        if len(names) > MAX_OBJECTS:
            raise DatasetError(
                f"Sequence {self.name} has {len(names)} objects.", expected=f"at most {MAX_OBJECTS}"
            )
        return names

    @cached_property
    def _label_files(self) -> dict[str, Path]:
        """The frames of all objects; the paths are those of one of them."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in visible_files(self.annotations / folder, ".png"):
                found.setdefault(path.stem, path)
        files = dict(sorted(found.items(), key=lambda item: natural_key(Path(item[0]))))
        while files and not self.annotation(next(iter(files))).any():
            del files[next(iter(files))]
        if not files:
            raise DatasetError(
                f"Sequence {self.name} has no mask in {self.annotations}.",
                expected="a folder of masks for each object: 000/00000.png",
            )
        return files

    @property
    def submitted(self) -> tuple[str, ...]:
        return self.annotated

    def annotation(self, name: str) -> LabelMap:
        masks = [(int(mask.sum()), i, mask) for i, mask in self._masks(name)]
        label = np.zeros(masks[0][2].shape, np.uint8)
        for _, i, mask in sorted(masks, key=lambda item: -item[0]):
            label[mask] = i
        return label

    def layers(self, name: str) -> tuple[tuple[LabelMap, tuple[int, ...]], ...]:
        return tuple(((mask * i).astype(np.uint8), (i,)) for i, mask in self._masks(name))

    def _masks(self, name: str) -> list[tuple[int, NDArray[np.bool_]]]:
        files = [(i, self.annotations / folder / f"{name}.png") for i, folder in enumerate(self.folders, 1)]
        return [(i, read_annotation(file) > 0) for i, file in files if file.is_file()]


class Sav(Layout):
    """The folders sav_val and sav_test, or the one that holds them."""

    help = "SA-V val and test"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        place = root if (root / f"sav_{split}.txt").is_file() else folder_in(root, f"sav_{split}")
        names = listed(place / f"sav_{split}.txt")
        images, annotations = folder_in(place, "JPEGImages_24fps"), folder_in(place, "Annotations_6fps")
        return tuple(SavSequence(name, images / name, annotations / name, later=True) for name in names)

    def packed(self, sequence: VideoSequence, frame: str, result: Path) -> Iterator[tuple[str, bytes]]:
        """See `Layout.packed`: a mask of 0 and 1 for each object, in a folder of the annotations' name."""
        assert isinstance(sequence, SavSequence)
        label = read_annotation(result)
        for i, folder in enumerate(sequence.folders, 1):
            file = BytesIO()
            Image.fromarray((label == i).astype(np.uint8)).save(file, format="PNG")
            yield f"{sequence.name}/{folder}/{frame}.png", file.getvalue()


PLUGIN = Sav
