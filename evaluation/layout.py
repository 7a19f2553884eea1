"""A dataset's layout: where its frames and annotations lie, and how results go back to its server."""

from __future__ import annotations

import codecs
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ermu.errors import DatasetError
from ermu.evaluation.sequences import FolderSequence, VideoSequence
from ermu.runtime.files import few, visible_folders

logger = logging.getLogger("ermu.evaluation")

_HELP = "check --root, --split and --dataset; docs/evaluation.md shows the layouts"


class Layout(ABC):
    """How a dataset is published.

    A dataset is a subclass in a module of its own (`ermu.evaluation.layouts`), made without arguments.

    Attributes:
        help: The dataset in a line.
        split: Where none is asked for.
        needs_root: Whether it lies in a folder.
        boundary: Whether the boundary measure F belongs to its table.
        submitted_in: Folder of a submission that holds the sequences' folders, with a slash, or nothing.
    """

    help: str = ""
    split: str = "val"
    needs_root: bool = True
    boundary: bool = True
    submitted_in: str = ""

    @abstractmethod
    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """Finds a split's sequences.

        Raises:
            DatasetError: The folder does not have the layout.
        """

    def packed(self, sequence: VideoSequence, frame: str, result: Path) -> Iterator[tuple[str, bytes]]:
        """Yields the files of a submission that a frame's result becomes, each with its name.

        Args:
            sequence: Of the frame.
            frame: Its name.
            result: The label map's file.
        """
        yield f"{self.submitted_in}{sequence.name}/{frame}.png", result.read_bytes()


def folder_in(root: Path, *inside: str) -> Path:
    """The first of these folders that there is.

    Raises:
        DatasetError: There is none.
    """
    for place in inside:
        if (root / place).is_dir():
            return root / place
    raise DatasetError(
        f"There is no folder {root / inside[0]}.",
        expected=f"{' or '.join(inside)} inside the dataset's folder",
        fix=_HELP,
    )


def split_folder(root: Path, *names: str) -> Path:
    """A split's folder, one of these names inside the dataset's; or that itself, where it is the split's."""
    named = next((root / name for name in names if (root / name).is_dir()), None)
    return named or (root if (root / "JPEGImages").is_dir() else folder_in(root, *names))


def listed(path: Path) -> list[str]:
    """The lines of a list, whatever ends them and whichever mark begins the file; each counts once.

    Raises:
        DatasetError: There is no such file, it is no text, or it is empty.
    """
    if not path.is_file():
        raise DatasetError(
            f"There is no list of sequences {path}.",
            expected="a text file with one sequence a line",
            fix=_HELP,
        )
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not a text in UTF-8.", expected="one sequence a line") from error
    lines = (line.strip().rstrip("/") for line in text.splitlines())
    names = list(dict.fromkeys(line for line in lines if line))
    if not names:
        raise DatasetError(f"{path} names no sequence.", expected="one sequence a line")
    return names


def listed_in_meta(path: Path) -> dict[str, Any]:
    """The videos of a `meta.json` as YouTube-VOS has it, by name.

    Raises:
        DatasetError: There is no such file, or it is none.
    """
    if not path.is_file():
        raise DatasetError(
            f"There is no {path}.", expected="the dataset's meta file beside JPEGImages", fix=_HELP
        )
    try:
        videos = json.loads(path.read_text(encoding="utf-8-sig"))["videos"]
        described = {str(name): dict(video["objects"]) for name, video in videos.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is damaged, or another kind of file.", expected='{"videos": {NAME: {"objects": {...}}}}'
        ) from error
    if not described:
        raise DatasetError(f"{path} names no sequence.", expected="one video at least")
    return described


def _annotated(images: Path, annotations: Path) -> list[str]:
    """The folders of annotations; folders of frames that have none are told."""
    found = dict.fromkeys(path.name for path in visible_folders(annotations))
    without = [path.name for path in visible_folders(images) if path.name not in found]
    if found and without:
        told = "%d folders in %s have no annotations in %s and are left out: %s"
        logger.warning(told, len(without), images, annotations, few(without))
    return list(found)


def sequences_in(
    images: Path,
    annotations: Path,
    names: Iterable[str] | None = None,
    *,
    binary: bool = False,
    later: bool = False,
) -> tuple[VideoSequence, ...]:
    """Pairs folders of frames and of annotations by name; what is wrong with one shows when it is used.

    Args:
        images: Holds a folder of frames for each sequence.
        annotations: Holds a folder of label maps for each.
        names: Of the sequences; default, every folder of annotations.
        binary: See `FolderSequence`.
        later: See `FolderSequence`.

    Raises:
        DatasetError: No name is given and there is no folder of annotations.
    """
    found = _annotated(images, annotations) if names is None else list(names)
    if not found:
        raise DatasetError(
            f"{annotations} holds no sequence.", expected="one folder of label maps per sequence"
        )
    return tuple(FolderSequence(name, images / name, annotations / name, binary, later) for name in found)
