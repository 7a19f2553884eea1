"""A dataset: the sequences of one split, found by the layout it was published in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ermu.errors import DatasetError
from ermu.evaluation.sequences import VideoSequence
from ermu.registries import DATASETS
from ermu.runtime.files import shown


@dataclass(frozen=True)
class Dataset:
    """Sequences to evaluate on.

    Attributes:
        name: Of its layout.
        split: Part of the dataset, named in the result files.
        sequences: In the order of the tables.
        boundary: Whether the boundary measure F belongs to its table.
    """

    name: str
    split: str
    sequences: tuple[VideoSequence, ...]
    boundary: bool = False

    def only(self, names: list[str]) -> Dataset:
        """Returns the dataset with the named sequences alone.

        Raises:
            DatasetError: A name is not in the split.
        """
        unknown = sorted(set(names) - {sequence.name for sequence in self.sequences})
        if unknown:
            raise DatasetError(
                f"The split '{self.split}' of {self.name} has no sequence {', '.join(unknown)}.",
                expected="one of " + ", ".join(sequence.name for sequence in self.sequences[:20]),
            )
        kept = tuple(sequence for sequence in self.sequences if sequence.name in names)
        return replace(self, sequences=kept)


def open_dataset(name: str, root: Path | None = None, split: str | None = None) -> Dataset:
    """Finds a dataset's sequences; no image is read yet.

    Args:
        name: Of a layout (`ermu.evaluation.layouts`); docs/evaluation.md shows them.
        root: The dataset's folder; 'scenes' needs none.
        split: A part of it; default, the layout's own.

    Raises:
        OptionError: Unknown name.
        DatasetError: The folder does not have the layout.
    """
    layout = DATASETS.get(name)()
    if root is None and layout.needs_root:
        raise DatasetError(f"The dataset {name} needs its folder.", fix="give it with --root DIR")
    part = split or layout.split
    sequences = layout.sequences(root or Path(), part)
    for sequence in sequences:
        _check_name(sequence.name)
    return Dataset(name, part, sequences, layout.boundary)


def _check_name(name: str) -> None:
    """Results lie in a folder that is called as the sequence: nothing may lead out of there."""
    if name in (".", "..") or "/" in name or "\\" in name:
        raise DatasetError(
            f"'{shown(name)}' cannot be the name of a sequence.",
            expected="the name of one folder, without slashes",
            fix="correct the dataset's list of sequences",
        )
