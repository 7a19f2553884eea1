"""The manifest of a bundle: everything the runtime must know, and can check, before it opens a graph."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)  # version 1 has neither variants nor engines, 2 has no split graphs

Dimension = Annotated[int | str, Field(union_mode="left_to_right")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorInfo(_Part):
    """A graph's input or output: numpy dtype name and shape, with symbols for what varies.

    Symbols: H, W network input; h, w token grid at stride 16; h4, w4 and h8, w8 at strides 4 and 8;
    T memory frames.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]


class FileInfo(_Part):
    """A file of the bundle: path inside it, and SHA-256 of its bytes."""

    file: str
    sha256: str


class GraphInfo(FileInfo):
    """One ONNX file.

    Attributes:
        max_difference: Largest absolute difference over all outputs on random inputs: of a float32 graph to
            torch, of another precision's graph to the float32 graph.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    max_difference: float


class NetworkInfo(_Part):
    """Which network the graphs are; fields as `ermu.export.networks.NetworkSpec`."""

    name: str
    family: Literal["aot", "deaot"]
    encoder: str
    blocks: int
    width: int
    heads: int
    key_width: int
    feedforward: int
    decoder_width: int


class MemoryInfo(_Part):
    """Defaults of the memory bank: frames held, and frames between two appends."""

    capacity: int = Field(ge=2, le=1000)
    gap: int = Field(ge=1)


class ScoreInfo(_Part):
    """ERMU's constants (`spec/ermu.md`): score = a * r + 1 / (1 + exp(b * (red - c)))."""

    relevance_weight: float
    redundancy_slope: float
    redundancy_centre: float
    momentum: float


class InputInfo(_Part):
    """What frames the graphs take.

    Attributes:
        size: (height, width) when the graphs are fixed to one size, else None.
        dtype: `uint8`, or `float32` for frames resized without rounding (0..255).
        long_edge: Frames with a longer edge are scaled down to it before rounding to 16k + 1.
    """

    size: tuple[int, int] | None
    dtype: Literal["uint8", "float32"]
    long_edge: int


class Provenance(_Part):
    """Where the bundle comes from."""

    checkpoint: str
    checkpoint_sha256: str
    unknown_keys: tuple[str, ...]
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
        graphs: By name, all five; those that the precision leaves alone are the float32 files.
        split: Parts of `propagate` in that precision, in place of the float32 ones.
        recipe: Version of the conversion; another version makes the variant out of date.
        calibration: Name of the clip that int8 ranges were measured on.
        comparison: What it changes.
        tools: Versions of what made it.
    """

    graphs: dict[str, GraphInfo]
    split: dict[str, GraphInfo] = {}
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
        flavour: `tensorrt` or `tensorrt-rtx`.
        version: The release that built it, which alone can run it.
        target: Compute capability such as `8.9`, or `portable` (TensorRT-RTX, any of its GPUs).
        precision: Of the graph.
        profiles: Sizes and memory lengths, in the engine's order.
        file: Path inside the bundle.
        sha256: Of the file's bytes.
        size_bytes: Of the file.
        build_seconds: Time to build.
    """

    graph: str
    graph_sha256: str
    flavour: Literal["tensorrt", "tensorrt-rtx"]
    version: str
    target: str
    precision: str
    profiles: tuple[Profile, ...]
    file: str
    sha256: str
    size_bytes: int
    build_seconds: float

    @property
    def key(self) -> tuple[object, ...]:
        """What tells engines apart; a bundle holds one engine a key."""
        built_from = (self.graph, self.graph_sha256, self.precision, self.profiles)
        return (*built_from, self.flavour, self.version, self.target)


class Manifest(_Part):
    """The whole of manifest.json.

    Attributes:
        graphs: encode, propagate, decode, memorize, reference.
        split: look, propagate0, propagate1, ...: `propagate` cut where memories are read, and a `memorize`
            that takes tokens, in float32, for a runtime with kernels for what they leave out; none in bundles
            of format 1 and 2.
        identity: Weights of the identity embedding, `weight` and `bias` of an .npz, for such a runtime.
        variants: Graphs in other precisions than `precision`, by precision.
        engines: Compiled graphs, of any precision.
    """

    format_version: int
    network: NetworkInfo
    object_capacity: int
    memory: MemoryInfo
    score: ScoreInfo
    temporal_rows: tuple[tuple[float, ...], ...]
    input: InputInfo
    precision: str
    graphs: dict[str, GraphInfo]
    split: dict[str, GraphInfo] = {}
    identity: FileInfo | None = None
    variants: dict[str, Variant] = {}
    engines: tuple[EngineInfo, ...] = ()
    provenance: Provenance

    def in_parts(self) -> Manifest:
        """With the graphs of a runtime that has kernels for what the parts leave out."""
        graphs = {name: graph for name, graph in self.graphs.items() if name != "propagate"}
        return self.model_copy(update={"graphs": {**graphs, **self.split}})

    def to_json(self) -> str:
        """JSON text, stable in order."""
        return self.model_dump_json(indent=1) + "\n"


def graph_info(file: str, sha256: str, inputs: Any, outputs: Any, max_difference: float) -> GraphInfo:
    """A `GraphInfo` from objects that have `name`, `dtype` and `shape`."""
    described = [
        tuple(TensorInfo(name=t.name, dtype=t.dtype, shape=tuple(t.shape)) for t in tensors)
        for tensors in (inputs, outputs)
    ]
    return GraphInfo(
        file=file, sha256=sha256, inputs=described[0], outputs=described[1], max_difference=max_difference
    )
