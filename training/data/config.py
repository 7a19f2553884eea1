"""Where training clips come from, as a training's description says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """What every part of a description is: immutable, and without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(Strict):
    """What every source has.

    Attributes:
        repeat: Times that everything in the source is seen a round.
        weight: Share of the clips that come from it, in proportion to the other sources' weights; then no
            rounds are made, and each clip is drawn by itself.
    """

    repeat: int = Field(default=1, ge=1)
    weight: float | None = Field(default=None, gt=0)


class SceneSourceConfig(_Source):
    """Procedural scenes.

    Attributes:
        size_hw: Height and width at which they are rendered.
        length: Frames of a scene.
        objects: Least and most objects of a scene.
        style: What scenes are made of: `drawn`, or `footage`, of photographs that `make photographs` fetches.
        textures: Where drawn scenes take their surfaces from.
        clips_per_scene: Clips drawn from a scene, in different steps, before it gives way to a new one.
    """

    kind: Literal["scenes"]
    size_hw: tuple[int, int] = (240, 416)
    length: int = Field(default=60, ge=2)
    objects: tuple[int, int] = (1, 6)
    style: Literal["drawn", "footage"] = "drawn"
    textures: Literal["generated", "photographs", "mixed"] = "mixed"
    clips_per_scene: int = Field(default=1, ge=1)


class VideoSourceConfig(_Source):
    """Annotated videos in the folders of a published data set.

    Attributes:
        kind: Whose layout.
        root: The folder.
        split: The list of sequences in it (VOST, DAVIS).
        images: The folder of frames below `root`, where it is not the layout's own.
        max_gap: Most frames between two of a clip, where it is not the phase's.
        ignore_threshold: Most pixels labelled 255 in a clip's first frame, as a share of all that are not
            background; None asks nothing of them.
    """

    kind: Literal["vost", "davis", "youtube"]
    root: Path
    split: str = "train"
    images: str | None = None
    max_gap: int | None = Field(default=None, ge=1)
    ignore_threshold: float | None = Field(default=None, ge=0, le=1)


class PictureSourceConfig(_Source):
    """Single pictures with masks, each made a clip by moving and warping it.

    Attributes:
        images: Folder of pictures.
        masks: Folder of PNGs of the same names: ids, or 0 and 255 alone for one object.
        sets: Folders in both that are read instead, where they are divided so.
    """

    kind: Literal["pictures"]
    images: Path
    masks: Path
    sets: tuple[str, ...] = ()


SourceConfig = Annotated[
    SceneSourceConfig | VideoSourceConfig | PictureSourceConfig, Field(discriminator="kind")
]


class DataConfig(Strict):
    """The sources of a training.

    Attributes:
        sources: One or several, mixed by how much is in each (`repeat`) or by their weights.
        workers: Processes that prepare batches.
    """

    sources: tuple[SourceConfig, ...] = (SceneSourceConfig(kind="scenes"),)
    workers: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _mixable(self) -> DataConfig:
        weighted = [source.weight is not None for source in self.sources]
        if not weighted:
            raise ValueError("data.sources is empty: at least one is needed")
        if len(set(weighted)) > 1:
            raise ValueError("either every source has a weight, or none has")
        if len(weighted) > 1 and not weighted[0] and any(s.kind == "scenes" for s in self.sources):
            raise ValueError("scenes have no end: beside other sources they, and those, need a weight")
        return self

    @property
    def shortest_scene(self) -> int | None:
        """Frames of the shortest procedural scenes; None without any."""
        lengths = [source.length for source in self.sources if isinstance(source, SceneSourceConfig)]
        return min(lengths, default=None)
