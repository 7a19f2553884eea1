"""YouTube-VOS: meta.json says which objects there are and in which frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ermu.evaluation.layout import Layout, folder_in, listed_in_meta, split_folder
from ermu.evaluation.sequences import FolderSequence, VideoSequence

_ALL_FRAMES = "_all_frames"


@dataclass(frozen=True)
class YouTubeVosSequence(FolderSequence):
    """A sequence whose objects appear one after another.

    Attributes:
        wanted: Names of the frames of its objects, which the server asks for.
    """

    wanted: frozenset[str] = frozenset()

    @property
    def submitted(self) -> tuple[str, ...]:
        return tuple(name for name in self.frame_names if name in self.wanted)


class YouTubeVos(Layout):
    """A split `..._all_frames` has its frames in the folder of that name, all else in the split's."""

    help = "YouTube-VOS 2018 and 2019"
    split = "valid"
    submitted_in = "Annotations/"

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        place = split_folder(root, split.removesuffix(_ALL_FRAMES))
        dense = folder_in(root, split) if split.endswith(_ALL_FRAMES) else place
        images, annotations = folder_in(dense, "JPEGImages"), folder_in(place, "Annotations")
        meta = listed_in_meta(place / "meta.json")
        return tuple(
            YouTubeVosSequence(
                name, images / name, annotations / name, later=True, wanted=_frames_of(objects)
            )
            for name, objects in meta.items()
        )


def _frames_of(objects: dict[str, Any]) -> frozenset[str]:
    return frozenset(str(frame) for item in objects.values() for frame in item.get("frames", ()))


PLUGIN = YouTubeVos
