"""The datasets that `ermu eval` knows, found by their published folder layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ermu.errors import DatasetError
from ermu.evaluation.sequences import FolderSequence, SceneSequence, VideoSequence
from ermu.runtime.files import natural_key, visible_files
from ermu.runtime.sources.kinds.images import IMAGE_SUFFIXES
from ermu.scenes.catalogue import policy_scenes, validation_scenes


@dataclass(frozen=True)
class Dataset:
    """Sequences to evaluate on.

    Attributes:
        name: One of DATASETS.
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
        return Dataset(self.name, self.split, kept, self.boundary)


def open_dataset(name: str, root: Path | None = None, split: str = "val") -> Dataset:
    """Finds a dataset's sequences; no image is read yet.

    Args:
        name: 'vost', 'davis2016', 'davis2017', 'folder' or 'scenes'; the layouts are in docs/evaluation.md.
        root: The dataset's folder; 'scenes' needs none.
        split: Name of the list in ImageSets; for 'scenes', 'val' or 'policy'.

    Raises:
        DatasetError: Unknown name, or the folder does not have the layout.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no dataset '{name}'.", expected="one of " + ", ".join(DATASETS))
    if name == "scenes":
        return _scenes(split)
    if root is None:
        raise DatasetError(f"The dataset {name} needs its folder.", fix="give it with --root DIR")
    return DATASETS[name](root, split)


def _vost(root: Path, split: str) -> Dataset:
    names = _listed(root / "ImageSets" / f"{split}.txt")
    sequences = _folders(names, _folder(root, "JPEGImages_10fps"), _folder(root, "Annotations"))
    return Dataset("vost", split, sequences)


def _davis2017(root: Path, split: str) -> Dataset:
    names = _listed(root / "ImageSets" / "2017" / f"{split}.txt")
    sequences = _folders(names, _folder(root, "JPEGImages/480p"), _folder(root, "Annotations/480p"))
    return Dataset("davis2017", split, sequences, boundary=True)


def _davis2016(root: Path, split: str) -> Dataset:
    """The lists of DAVIS 2016 name the files of every frame, those of the 2017 release the sequences."""
    lists = [root / "ImageSets" / folder / f"{split}.txt" for folder in ("2016", "480p")]
    listed = next((path for path in lists if path.is_file()), lists[0])
    names = [Path(line.split()[0]).parent.name if "/" in line else line for line in _listed(listed)]
    images, annotations = _folder(root, "JPEGImages/480p"), _folder(root, "Annotations/480p")
    sequences = _folders(list(dict.fromkeys(names)), images, annotations, binary=True)
    return Dataset("davis2016", split, sequences, boundary=True)


def _plain(root: Path, split: str) -> Dataset:
    """Every sequence of JPEGImages that has annotations, unless ImageSets/<split>.txt names some."""
    images, annotations = _folder(root, "JPEGImages"), _folder(root, "Annotations")
    listed = root / "ImageSets" / f"{split}.txt"
    names = _listed(listed) if listed.is_file() else _visible_folders(annotations)
    if not names:
        raise DatasetError(
            f"{annotations} holds no sequence.", expected="one folder of label maps per sequence"
        )
    return Dataset("folder", split, _folders(names, images, annotations), boundary=True)


def _scenes(split: str) -> Dataset:
    splits = {"val": validation_scenes, "policy": policy_scenes}
    if split not in splits:
        raise DatasetError(f"The dataset scenes has no split '{split}'.", expected="one of val, policy")
    configs = splits[split]()
    sequences = tuple(SceneSequence(f"{split}-{i:02d}", config) for i, config in enumerate(configs))
    return Dataset("scenes", split, sequences)


DATASETS: dict[str, Callable[[Path, str], Dataset]] = {
    "vost": _vost,
    "davis2016": _davis2016,
    "davis2017": _davis2017,
    "folder": _plain,
    "scenes": lambda _root, split: _scenes(split),
}


def _folder(root: Path, inside: str) -> Path:
    path = root / inside
    if not path.is_dir():
        raise DatasetError(
            f"There is no folder {path}.",
            expected=f"{inside} inside the dataset's folder",
            fix="check --root and --dataset; docs/evaluation.md shows the layouts",
        )
    return path


def _listed(path: Path) -> list[str]:
    if not path.is_file():
        raise DatasetError(
            f"There is no list of sequences {path}.",
            expected="a text file with one sequence a line",
            fix="check --root and --split; docs/evaluation.md shows the layouts",
        )
    names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not names:
        raise DatasetError(f"{path} names no sequence.", expected="one sequence a line")
    return names


def _folders(
    names: list[str], images: Path, annotations: Path, *, binary: bool = False
) -> tuple[VideoSequence, ...]:
    """Pairs the frames and annotations of every sequence; gaps in them are reported when a sequence runs."""
    return tuple(
        FolderSequence(name, _files(images / name), _files(annotations / name, (".png",)), binary)
        for name in names
    )


def _visible_folders(folder: Path) -> list[str]:
    """Names in natural order, without what the system keeps beside them."""
    found = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path.name for path in sorted(found, key=natural_key)]


def _files(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(visible_files(folder, *suffixes))
