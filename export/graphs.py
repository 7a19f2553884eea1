"""The graphs of a bundle, and the plans they form: the network cut where the runtime holds the tensors.

Roles are the contract with the runtime (`ermu.runtime.bundle.roles`). Names only help a reader: `new_X` is
the entry that becomes X, and `carry_X` goes from propagation to `memorize` untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from ermu.export.family import Family
from ermu.export.graph import Graph, as_map, frame_tokens, grid, tokens
from ermu.export.network.network import Carry, Features, SegmentationNetwork
from ermu.export.network.spec import OBJECT_CAPACITY, NetworkSpec
from ermu.export.tensors import (
    bank_slots,
    decoder_input,
    described,
    features,
    identity_tokens,
    previous_of,
    query,
)
from ermu.registries import FAMILIES
from ermu.runtime.bundle.group_manifest import GroupPlan
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role


class Encode(nn.Module):
    """image 1 x H x W x 3 RGB -> f4, f8, f16, p; normalisation inside, so that a frame travels as bytes."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Features:
        pixels = image.to(self.network.encoder_projector.weight.dtype).permute(0, 3, 1, 2)
        return self.network.encode(self.network.normalize(pixels))


class Reference(nn.Module):
    """p and label maps' tokens -> z and whole memory entries."""

    def __init__(self, network: SegmentationNetwork, family: Family) -> None:
        super().__init__()
        self.network, self.family = network, family

    def forward(self, p: Tensor, identity: Tensor) -> tuple[Tensor, ...]:
        z, entry = self.network.reference(p, self.network.id_norm(tokens(identity)))
        return z, *(grid(x, p) for x in self.family.entry_tensors(entry))


class Propagate(nn.Module):
    """p, any temporal rows, banks and previous frames -> z, block 0's query, what this frame will remember.

    Of G groups at once, whose banks hold equally many frames; p is theirs alike.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, p: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        rows, memories = (others[0], others[1:]) if self.network.spec.temporal else (None, others)
        quads = [memories[i : i + 4] for i in range(0, len(memories), 4)]
        long = [(frame_tokens(key), frame_tokens(value)) for key, value, _, _ in quads]
        short = [(tokens(key), tokens(value)) for _, _, key, value in quads]
        z, carry = self.network.propagate(p, long, rows, short)
        kept = [x for block in carry.blocks for x in block if x is not None]
        return z, *(grid(x, p) for x in (carry.query, *kept))


class Decode(nn.Module):
    """z and the encoder's maps -> logits G x 11 x h4 x w4."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, f4: Tensor, f8: Tensor, f16: Tensor) -> Tensor:
        return self.network.decode(z, Features(f4, f8, f16, f16))


class Memorize(nn.Module):
    """Label maps' tokens and what propagation carried -> the rest of this frame's memory entries."""

    def __init__(self, network: SegmentationNetwork, family: Family) -> None:
        super().__init__()
        self.network, self.family = network, family

    def forward(self, identity: Tensor, *carried: Tensor) -> tuple[Tensor, ...]:
        like = as_map(identity)
        carry = self._carry([tokens(x) for x in carried])
        entry = self.network.memorize(carry, self.network.id_norm(tokens(identity)))
        open_entries = {t.name for t in _memorized(self.family, self.network.spec)}
        named = zip(_entries(self.family, self.network.spec), self.family.entry_tensors(entry), strict=True)
        return tuple(grid(x, like) for info, x in named if info.name in open_entries)

    def _carry(self, carried: list[Tensor]) -> Carry:
        """The network's carry; final fields, which `memorize` only passes on, hold any tensor."""
        unread, left = carried[0], iter(carried)
        spec, family = self.network.spec, self.family
        blocks = [
            family.carry_type(
                *(next(left) if t.role is Role.CARRY else unread for t in family.carried(spec, i))
            )
            for i in range(spec.blocks)
        ]
        return Carry(unread, blocks)


def build_graphs(network: SegmentationNetwork, image_dtype: str = "float32") -> list[Graph]:
    """Every graph of a network in evaluation mode, each once, in the order of a frame.

    Args:
        network: The network with its weights.
        image_dtype: `float32` for frames resized exactly, `uint8` for frames rounded back to bytes.
    """
    spec, family = network.spec, FAMILIES.get(network.spec.family)
    half, width = spec.decoder_width // 2, spec.decoder_width
    maps = (features("f4", half, "h4", "w4"), features("f8", width, "h8", "w8"), features("f16", width))
    p, z, identity = (
        features("p", spec.width),
        decoder_input(network.LSTT.output_channels),
        identity_tokens(spec),
    )
    image = described("image", (1, "H", "W", 3), Role.INPUT, dtype=image_dtype)
    rows = [described("rows", ("G", "T", spec.key_width), Role.INPUT)] if spec.temporal else []
    logits = described("logits", ("G", OBJECT_CAPACITY + 1, "h4", "w4"), Role.OUTPUT)
    prefix, parts = family.external_attention_graphs(network)
    cut = [_of_one_group(graph) for graph in (*([prefix] if prefix else []), *parts)]
    propagated = (z, query(0, spec), *_carried(family, spec))
    to_memorize = tuple(t for t in _carried(family, spec) if t.role is Role.CARRY)
    return [
        Graph("encode", Encode(network), (image,), (*maps, p)),
        Graph("reference", Reference(network, family), (p, identity), (z, *_entries(family, spec))),
        Graph("propagate", Propagate(network), (p, *rows, *_memories(family, spec)), propagated),
        *cut,
        Graph("decode", Decode(network), (z, *maps), (logits,)),
        Graph(
            "memorize", Memorize(network, family), (identity, *to_memorize), tuple(_memorized(family, spec))
        ),
    ]


def build_plans(network: SegmentationNetwork) -> dict[str, GroupPlan]:
    """The plans that the graphs of `build_graphs` form."""
    prefix, parts = FAMILIES.get(network.spec.family).external_attention_graphs(network)
    shared = {name: name for name in ("encode", "reference", "decode", "memorize")}
    return {
        WHOLE: GroupPlan(**shared, propagation=("propagate",)),
        EXTERNAL_ATTENTION: GroupPlan(
            **shared,
            prefix=prefix.name if prefix else None,
            propagation=tuple(part.name for part in parts),
        ),
    }


def _of_one_group(graph: Graph) -> Graph:
    """The kernels between such graphs read one group's memories at a time: G is 1."""
    inputs, outputs = (
        tuple(t.model_copy(update={"shape": tuple(1 if s == "G" else s for s in t.shape)}) for t in tensors)
        for tensors in (graph.inputs, graph.outputs)
    )
    return replace(graph, inputs=inputs, outputs=outputs)


def _memorized(family: Family, spec: NetworkSpec) -> list[TensorInfo]:
    """The entries that are not final before the label is known."""
    final = {t.name for t in _carried(family, spec)}
    return [entry for entry in _entries(family, spec) if entry.name not in final]


def _entries(family: Family, spec: NetworkSpec) -> list[TensorInfo]:
    return [entry for i in range(spec.blocks) for entry in family.entries(spec, i)]


def _carried(family: Family, spec: NetworkSpec) -> list[TensorInfo]:
    return [tensor for i in range(spec.blocks) for tensor in family.carried(spec, i)]


def _memories(family: Family, spec: NetworkSpec) -> Iterator[TensorInfo]:
    """Key and value of the bank, then of the previous frame, block by block."""
    for i in range(spec.blocks):
        yield from (bank_slots(entry) for entry in family.entries(spec, i)[:2])
        yield from (previous_of(entry) for entry in family.previous_entries(spec, i))
