"""The manifest of a bundle: everything the runtime must know, and can check, before it opens a graph."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 1

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


class GraphInfo(_Part):
    """One ONNX file.

    Attributes:
        file: Path inside the bundle.
        sha256: Of the file's bytes.
        max_difference: Largest absolute difference to torch over all outputs, on random inputs.
    """

    file: str
    sha256: str
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


class Manifest(_Part):
    """The whole of manifest.json."""

    format_version: int
    network: NetworkInfo
    object_capacity: int
    memory: MemoryInfo
    score: ScoreInfo
    temporal_rows: tuple[tuple[float, ...], ...]
    input: InputInfo
    precision: str
    graphs: dict[str, GraphInfo]
    provenance: Provenance

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
