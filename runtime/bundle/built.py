"""What `ermu build` adds to a bundle: graphs in other precisions, and engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from ermu.runtime.bundle.parts import FileInfo, GraphInfo, Part, inside


class Comparison(Part):
    """What a precision changes, measured on a clip against the float32 graphs.

    Attributes:
        clip: Its name.
        frames: Its length.
        objects: In its first label map.
        logit_difference: Mean absolute difference of the logits of channels in use, both remembering the
            float32 label maps; where every object has a memory of its own, each what it found.
        jaccard: Mean over frames and objects of the Jaccard index of the masks with those in float32, each
            remembering its own.
        pixel_agreement: Share of pixels with the same label, each remembering its own label maps.
        evictions: Frames that left the float32 run's memory bank.
        same_evictions: Whether the same frames left, in the same order, in the run on its own label maps.
    """

    clip: str
    frames: int
    objects: int
    logit_difference: float
    jaccard: float
    pixel_agreement: float
    evictions: int
    same_evictions: bool


class Variant(Part):
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


class Profile(Part):
    """What an engine is optimised for.

    Attributes:
        size: One network input (height, width).
        frames: Memory frames, as a bank's capacity counts them.
        most: Symbols of shapes that vary from frame to frame, each with its largest value; the least is 1.
    """

    size: tuple[int, int]
    frames: int
    most: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        ranges = ", ".join(f"{symbol} 1-{most}" for symbol, most in self.most)
        return f"{self.size[0]}x{self.size[1]} {ranges}"


class EngineInfo(Part):
    """One engine: a graph compiled by one release of TensorRT for one kind of GPU.

    Attributes:
        graph: Its name.
        graph_sha256: Of the ONNX file that it was built from.
        module: The TensorRT that built it: `tensorrt` or `tensorrt-rtx`.
        version: The release that built it, which alone can run it.
        target: The GPU, such as `sm89`, or `portable` (TensorRT-RTX: compute capability 8.6, 8.9 and 12.0).
        precision: Of the graph.
        profiles: Sizes, groups at once and memory lengths, in the engine's order; what its graph cannot tell
            apart is one there.
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
    file: Annotated[str, AfterValidator(inside)]
    sha256: str
    size_bytes: int
    build_seconds: float

    @property
    def key(self) -> tuple[object, ...]:
        """What tells engines apart; a bundle holds one engine a key."""
        built_from = (self.graph, self.graph_sha256, self.precision, self.profiles)
        return (*built_from, self.module, self.version, self.target)
