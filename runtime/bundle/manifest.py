"""The manifest of a bundle: everything the runtime must know, and can check, before it opens a graph."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ermu.runtime.bundle.roles import NEEDED, Kind, Role
from ermu.runtime.bundle.sizes import GridRule

FORMAT_VERSION = 5
WHOLE = "whole"
EXTERNAL_ATTENTION = "external_attention"
DTYPES = ("uint8", "float32", "float16")

Dimension = Annotated[int | str, Field(union_mode="left_to_right")]


def _inside(file: str) -> str:
    """The path itself, where it stays in the bundle's folder."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("a path that leaves the bundle's folder")
    return file


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorInfo(_Part):
    """A graph's input or output.

    Symbols in shapes: H, W network input; h, w token grid at stride 16; h4, w4 and h8, w8 at strides 4 and 8;
    T memory frames.

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


class FileInfo(_Part):
    """A file of the bundle: path inside it, and SHA-256 of its bytes."""

    file: Annotated[str, AfterValidator(_inside)]
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


class Plan(_Part):
    """One way to run the network: which graph does what; the runtime knows graphs by these fields alone.

    Attributes:
        encode: An image to the features that all groups share.
        prefix: What block 0 begins with, from the features, once for all groups; None where there is nothing.
        reference: Features and identity tokens of a labelled frame to its entry and z.
        propagation: The graphs that propagate a group, in order. One graph in the plan `whole`; in
            `external_attention` one a block and one more, with the kernels' attention of block i on the
            memories after graph i.
        decode: z and features to logits.
        memorize: Identity tokens and what propagation carries on to the rest of the frame's entry.
    """

    encode: str
    prefix: str | None = None
    reference: str
    propagation: tuple[str, ...] = Field(min_length=1)
    decode: str
    memorize: str

    @property
    def graphs(self) -> tuple[str, ...]:
        """All of them, in the order of a frame."""
        once = (self.encode, *([self.prefix] if self.prefix else []), self.reference)
        return (*once, *self.propagation, self.decode, self.memorize)


class NetworkInfo(_Part):
    """Which network the graphs are; fields as `ermu.export.network.spec.NetworkSpec`.

    Its policy and gap are the published ones; the bundle's defaults are in `MemoryInfo`.
    """

    name: str
    family: str
    encoder: str
    blocks: int
    width: int
    heads: int
    key_width: int
    feedforward: int
    decoder_width: int
    temporal: bool
    identity_channels: int
    policy: str
    gap: int
    gap_grows: bool
    align_corners: bool

    @property
    def grid(self) -> GridRule:
        """How its grids lie on its input."""
        return GridRule(self.align_corners)


FIRST_FRAME_ALONE = 9999  # frames between appends where the labelled one is all that is remembered
PLUGGED_IN_GAP = 5


class MemoryInfo(_Part):
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


class ScoreInfo(_Part):
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


class InputInfo(_Part):
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


class Provenance(_Part):
    """Where the bundle comes from; keys of the checkpoint that no network reads are ignored."""

    checkpoint: str
    checkpoint_sha256: str
    ignored_keys: tuple[str, ...]
    created: str
    tools: dict[str, str]
    licence: str


class Comparison(_Part):
    """What a precision changes, measured on a clip against the float32 graphs.

    Attributes:
        clip: Its name.
        frames: Its length.
        objects: In its first label map.
        logit_difference: Mean absolute difference of the logits of channels in use, both remembering the
            float32 label maps.
        pixel_agreement: Share of pixels with the same label, each remembering its own label maps.
        evictions: Frames that left the float32 run's memory bank.
        same_evictions: Whether the same frames left, in the same order, in the run on its own label maps.
    """

    clip: str
    frames: int
    objects: int
    logit_difference: float
    pixel_agreement: float
    evictions: int
    same_evictions: bool


class Variant(_Part):
    """The graphs in another precision.

    Attributes:
        graphs: By name, those that the precision changes; the others are the float32 ones.
        plans: Names of the plans that can be run so.
        weights: Files that these graphs' weights lie in.
        recipe: Version of the conversion; another version makes the variant out of date.
        calibration: Name of the clip that int8 ranges were measured on.
        comparison: What it changes.
        tools: Versions of what made it.
    """

    graphs: dict[str, GraphInfo]
    plans: tuple[str, ...]
    weights: tuple[FileInfo, ...] = ()
    recipe: int
    calibration: str | None
    comparison: Comparison
    tools: dict[str, str]


class Profile(_Part):
    """What an engine is optimised for: one network input (height, width), 1 to `frames` memory frames."""

    size: tuple[int, int]
    frames: int

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]} T 1-{self.frames}"


class EngineInfo(_Part):
    """One engine: a graph compiled by one release of TensorRT for one kind of GPU.

    Attributes:
        graph: Its name.
        graph_sha256: Of the ONNX file that it was built from.
        module: The TensorRT that built it: `tensorrt` or `tensorrt-rtx`.
        version: The release that built it, which alone can run it.
        target: The GPU, such as `sm89`, or `portable` (TensorRT-RTX: compute capability 8.6, 8.9 and 12.0).
        precision: Of the graph.
        profiles: Sizes and memory lengths, in the engine's order.
        file: Path inside the bundle.
        sha256: Of the file's bytes.
        size_bytes: Of the file.
        build_seconds: Time to build.
    """

    graph: str
    graph_sha256: str
    module: Literal["tensorrt", "tensorrt-rtx"]
    version: str
    target: str
    precision: str
    profiles: tuple[Profile, ...]
    file: Annotated[str, AfterValidator(_inside)]
    sha256: str
    size_bytes: int
    build_seconds: float

    @property
    def key(self) -> tuple[object, ...]:
        """What tells engines apart; a bundle holds one engine a key."""
        built_from = (self.graph, self.graph_sha256, self.precision, self.profiles)
        return (*built_from, self.module, self.version, self.target)


class Manifest(_Part):
    """The whole of manifest.json.

    Attributes:
        temporal_rows: The temporal embedding, a row of D numbers each; empty in a network without.
        graphs: By name, each once, whatever plans it belongs to.
        plans: `whole`, and `external_attention` for a runtime with attention kernels of its own.
        weights: Files that the graphs' weights lie in, each tensor once.
        identity: Weights of the identity embedding, `weight` and `bias` of an .npz, for the kernels.
        relative_values: What attention in a window adds to the values of block i by their place there:
            `block{i}` (heads, 225, dv) of an .npz, for the kernels. None for a network without.
        variants: Graphs in other precisions than `precision`, by precision.
        engines: Compiled graphs, of any precision.
    """

    format_version: int
    network: NetworkInfo
    memory: MemoryInfo
    score: ScoreInfo
    temporal_rows: tuple[tuple[float, ...], ...]
    input: InputInfo
    precision: str
    graphs: dict[str, GraphInfo]
    plans: dict[str, Plan]
    weights: tuple[FileInfo, ...] = ()
    identity: FileInfo
    relative_values: FileInfo | None = None
    variants: dict[str, Variant] = {}
    engines: tuple[EngineInfo, ...] = ()
    provenance: Provenance

    @model_validator(mode="after")
    def _complete(self) -> Manifest:
        """Plans list graphs that are there, a name is one tensor, and every `source` is an entry."""
        for name, plan in self.plans.items():
            missing = sorted(set(plan.graphs) - set(self.graphs))
            if missing:
                raise ValueError(f"the plan {name} lists graphs that are not there: {', '.join(missing)}")
        tensors = [tensor for graph in self.graphs.values() for tensor in graph.tensors]
        known: dict[str, TensorInfo] = {}
        for tensor in tensors:
            first = known.setdefault(tensor.name, tensor)
            if (first.role, first.block, first.kind) != (tensor.role, tensor.block, tensor.kind):
                raise ValueError(
                    f"{tensor.name} is {first.role.value} in one graph, {tensor.role.value} in another"
                )
        for tensor in tensors:
            source = known.get(tensor.source) if tensor.source else None
            if tensor.source and (source is None or source.role is not Role.ENTRY):
                raise ValueError(f"{tensor.name} comes from {tensor.source}, which no graph makes")
        return self

    @property
    def kernel_weights(self) -> tuple[FileInfo, ...]:
        """Files of weights that kernels read, not graphs."""
        return (self.identity, *([self.relative_values] if self.relative_values else []))

    def to_json(self) -> str:
        """JSON text, stable in order."""
        return self.model_dump_json(indent=1) + "\n"
