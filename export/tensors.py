"""Descriptions of graph tensors: the names, roles and shapes that graphs of every family share."""

from __future__ import annotations

from ermu.export.network.spec import NetworkSpec
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Kind, Role

KEY, VALUE = Kind.KEY, Kind.VALUE


def described(
    name: str,
    shape: tuple[int | str, ...],
    role: Role,
    *,
    dtype: str = "float32",
    block: int | None = None,
    kind: Kind | None = None,
    source: str | None = None,
) -> TensorInfo:
    """A tensor, float32 unless told otherwise."""
    return TensorInfo(name=name, dtype=dtype, shape=shape, role=role, block=block, kind=kind, source=source)


def on_grid(
    name: str, channels: int, role: Role, *, block: int | None = None, kind: Kind | None = None
) -> TensorInfo:
    """A group's tensor on the token grid: G x h x w x `channels`."""
    return described(name, ("G", "h", "w", channels), role, block=block, kind=kind)


def new_entry(block: int, kind: Kind, channels: int, *, previous: bool = False) -> TensorInfo:
    """What a frame leaves behind for the bank, or for the next frame alone: G x h x w x `channels`."""
    name = f"new_{'previous_' if previous else ''}{kind.value}{block}"
    return on_grid(name, channels, Role.ENTRY, block=block, kind=kind)


def bank_slots(entry: TensorInfo) -> TensorInfo:
    """The bank's tensor that the entries fill, G x T x h x w x C."""
    assert entry.kind is not None
    groups, *one = entry.shape
    return described(
        f"{entry.kind.value}{entry.block}",
        (groups, "T", *one),
        Role.MEMORY,
        block=entry.block,
        kind=entry.kind,
        source=entry.name,
    )


def previous_of(entry: TensorInfo) -> TensorInfo:
    """The previous frame's entry as the next frame reads it, G x h x w x C."""
    assert entry.kind is not None
    name = f"previous_{entry.kind.value}{entry.block}"
    return described(name, entry.shape, Role.PREVIOUS, block=entry.block, kind=entry.kind, source=entry.name)


def query(block: int, spec: NetworkSpec) -> TensorInfo:
    """What attends to the bank in a block, G x h x w x D."""
    return on_grid(f"query{block}", spec.key_width, Role.QUERY, block=block)


def identity_tokens(spec: NetworkSpec) -> TensorInfo:
    """A label map's tokens as the identity kernel makes them, before `id_norm`: G x h x w x C."""
    return on_grid("identity", spec.width, Role.INPUT)


def features(name: str, channels: int, height: str = "h", width: str = "w") -> TensorInfo:
    """A map that is made once a frame, 1 x C x height x width."""
    return described(name, (1, channels, height, width), Role.FEATURES)


def decoder_input(channels: int) -> TensorInfo:
    """z, G x C x h x w."""
    return described("z", ("G", channels, "h", "w"), Role.OUTPUT)
