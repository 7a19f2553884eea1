"""Descriptions of the tensors that every family's graphs share, and of those on the token grid."""

from __future__ import annotations

from ermu.export.network.spec import OBJECT_CAPACITY, NetworkSpec
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.roles import Kind, Role


def grid_tensor(
    name: str,
    channels: int,
    role: Role,
    *,
    block: int | None = None,
    kind: Kind | None = None,
    source: str | None = None,
    frames: bool = False,
) -> TensorInfo:
    """A float32 tensor of tokens: h x w x C, with `frames` a leading axis T."""
    shape = (*(("T",) if frames else ()), "h", "w", channels)
    return TensorInfo(
        name=name, dtype="float32", shape=shape, role=role, block=block, kind=kind, source=source
    )


def block_tensor(name: str, block: int, channels: int, role: Role, kind: Kind | None = None) -> TensorInfo:
    """A tensor of tokens that belongs to a block, whose number ends its name."""
    return grid_tensor(f"{name}{block}", channels, role, block=block, kind=kind)


def memory_tensor(name: str, source: TensorInfo) -> TensorInfo:
    """The bank's slots of an entry: T of them."""
    return source.model_copy(
        update={"name": name, "shape": ("T", *source.shape), "role": Role.MEMORY, "source": source.name}
    )


def previous_tensor(name: str, source: TensorInfo) -> TensorInfo:
    """The previous frame's entry, as this frame reads it."""
    return source.model_copy(update={"name": name, "role": Role.PREVIOUS, "source": source.name})


def image(dtype: str) -> TensorInfo:
    """RGB at network size, 0..255."""
    return TensorInfo(name="image", dtype=dtype, shape=(1, "H", "W", 3), role=Role.INPUT)


def maps(spec: NetworkSpec) -> tuple[TensorInfo, ...]:
    """The encoder's maps at the decoder's widths."""
    widths = {"4": spec.decoder_width // 2, "8": spec.decoder_width, "16": spec.decoder_width}
    grids = {"4": ("h4", "w4"), "8": ("h8", "w8"), "16": ("h", "w")}
    return tuple(
        TensorInfo(name=f"f{s}", dtype="float32", shape=(1, widths[s], *grids[s]), role=Role.FEATURES)
        for s in widths
    )


def projected(spec: NetworkSpec) -> TensorInfo:
    """p: the projected features that propagation begins with."""
    return TensorInfo(name="p", dtype="float32", shape=(1, spec.width, "h", "w"), role=Role.FEATURES)


def decoder_input(channels: int) -> TensorInfo:
    """z: what propagation leaves for the decoder."""
    return TensorInfo(name="z", dtype="float32", shape=(1, channels, "h", "w"), role=Role.OUTPUT)


def logits() -> TensorInfo:
    """One channel for the background and each identity."""
    shape = (OBJECT_CAPACITY + 1, "h4", "w4")
    return TensorInfo(name="logits", dtype="float32", shape=shape, role=Role.OUTPUT)


def identity(spec: NetworkSpec) -> TensorInfo:
    """A label map's tokens, as the identity bank's convolution gives them."""
    return grid_tensor("identity", spec.width, Role.INPUT)


def temporal_rows(spec: NetworkSpec) -> TensorInfo:
    """The temporal row of each memory frame."""
    return TensorInfo(name="rows", dtype="float32", shape=("T", spec.key_width), role=Role.INPUT)


def query(spec: NetworkSpec, block: int) -> TensorInfo:
    """What attends to the bank: the block's query with `cur` added."""
    return block_tensor("query", block, spec.key_width, Role.QUERY)
