"""What manifests of every kind are made of: tensors, graphs, files, the input, the memory's defaults."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ermu.runtime.bundle.roles import NEEDED, Kind, Role

DTYPES = ("uint8", "float32", "float16")
FIRST_FRAME_ALONE = 9999  # frames between appends where the labelled one is all that is remembered
PLUGGED_IN_GAP = 5

Dimension = Annotated[int | str, Field(union_mode="left_to_right")]


def inside(file: str) -> str:
    """The path itself, where it stays in the bundle's folder."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("a path that leaves the bundle's folder")
    return file


class Part(BaseModel):
    """A piece of a manifest: nothing unknown in it, and never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class TensorInfo(Part):
    """A graph's input or output.

    Symbols in shapes: H, W network input; h, w token grid at stride 16; h4, w4 and h8, w8 at strides 4 and 8;
    G groups of objects; T memory frames; P pointers and K clicks of an object that is followed by itself.

    Attributes:
        name: As in the graph; means nothing to the runtime.
        dtype: numpy name.
        shape: Numbers, and symbols for what varies.
        role: What it is for.
        block: Propagation block, counted from 0, where the role has one.
        kind: Key or value, where the role has one.
        source: Name of the entry that becomes this memory or previous tensor.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]
    role: Role
    block: int | None = Field(default=None, ge=0)
    kind: Kind | None = None
    source: str | None = None

    @field_validator("dtype")
    @classmethod
    def _numpys(cls, dtype: str) -> str:
        if dtype not in DTYPES:
            raise ValueError(f"unknown dtype, expected one of {', '.join(DTYPES)}")
        return dtype

    @model_validator(mode="after")
    def _placed(self) -> TensorInfo:
        """It says of itself what its role calls for (`NEEDED`)."""
        for field in NEEDED.get(self.role, ()):
            if getattr(self, field) is None:
                raise ValueError(f"{self.name} has the role {self.role.value} and no {field}")
        return self


class FileInfo(Part):
    """A file of the bundle: path inside it, and SHA-256 of its bytes."""

    file: Annotated[str, AfterValidator(inside)]
    sha256: str


class GraphInfo(FileInfo):
    """One ONNX file; its weights may lie in the bundle's weights files.

    Attributes:
        max_difference: Largest absolute difference over all outputs on random inputs: of a float32 graph to
            torch, of another precision's graph to the float32 graph.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    max_difference: float

    @property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """Inputs, then outputs."""
        return (*self.inputs, *self.outputs)


class InputInfo(Part):
    """What frames the graphs take.

    Attributes:
        size: (height, width) when the graphs are fixed to one size, else None.
        dtype: `float32` for frames resized exactly, neither rounded nor clipped, or `uint8`.
        long_edge: Frames with a longer edge are scaled down to it before each side is rounded to the grid.
        resampling: `bicubic`, as published: four taps however much smaller a frame becomes, so that it
            aliases; or `antialiased` (`ermu.kernels.base.resampling`).
    """

    size: tuple[int, int] | None
    dtype: Literal["uint8", "float32"]
    long_edge: int
    resampling: Literal["bicubic", "antialiased"] = "bicubic"


class MemoryInfo(Part):
    """Defaults of the memory bank.

    Attributes:
        policy: Eviction policy.
        capacity: Frames held.
        gap: Frames between two appends.
        gap_rule: Whether that is constant, or grows with a clip whose length is known: max(gap, frames / 30).
    """

    policy: str
    capacity: int = Field(ge=2, le=1000)
    gap: int = Field(ge=1)
    gap_rule: Literal["constant", "length"]

    def gap_for(self, frames: int | None, policy: str | None = None) -> int:
        """Frames between two appends.

        Args:
            frames: In the clip; None, their number is not known.
            policy: That is used in place of the bundle's own. Where the bundle remembers the first frame
                alone, such a policy would have nothing to choose from: it gets every fifth.
        """
        if self.gap >= FIRST_FRAME_ALONE and policy not in (None, self.policy):
            return PLUGGED_IN_GAP
        if self.gap_rule == "constant" or frames is None:
            return self.gap
        return max(self.gap, round(frames / 30))


class ScoreInfo(Part):
    """ERMU's constants (`docs/spec/ermu.md`): score = a * r + 1 / (1 + exp(b * (red - c))).

    Attributes:
        relevance_weight: a.
        redundancy_slope: b.
        redundancy_centre: c.
        momentum: Share of the new relevance in its moving mean.
        update_mean_at: Whether the mean moves at every append or only when a frame leaves.
    """

    relevance_weight: float
    redundancy_slope: float
    redundancy_centre: float
    momentum: float
    update_mean_at: Literal["append", "eviction"]


class Provenance(Part):
    """Where the bundle comes from; keys of the checkpoint that no network reads are ignored."""

    checkpoint: str
    checkpoint_sha256: str
    ignored_keys: tuple[str, ...]
    created: str
    tools: dict[str, str]
    licence: str
