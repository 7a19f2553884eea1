"""The graphs of a bundle: the network cut at the points where the runtime holds the tensors.

Tensors' roles, not their names, are the contract with the runtime (`ermu.runtime.bundle.roles`). No graph
embeds a label map: they take the tokens that the identity kernel makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ermu.export import tensors
from ermu.export.family import Family
from ermu.export.graph import Graph, frames, grid, tokens
from ermu.export.network.network import Carry, Features, SegmentationNetwork
from ermu.registries import FAMILIES
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE, Plan


class Encode(nn.Module):
    """image 1 x H x W x 3 RGB -> f4, f8, f16, p; normalisation inside, so that a frame travels as bytes."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Features:
        pixels = image.to(self.network.cur_pos_emb.dtype).permute(0, 3, 1, 2)
        return self.network.encode(self.network.normalize(pixels))


class Propagate(nn.Module):
    """p, temporal rows, bank and previous frame -> z, block 0's query, and what this frame will remember."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, p: Tensor, rows: Tensor, *memories: Tensor) -> tuple[Tensor, ...]:
        bank = [(frames(k), frames(v)) for k, v, _, _ in _quads(memories)]
        previous = [(tokens(k), tokens(v)) for _, _, k, v in _quads(memories)]
        z, carry = self.network.propagate(p, bank, rows, previous)
        kept = [x for block in carry.blocks for x in block if x is not None]
        return z, *(grid(x, p) for x in (carry.query, *kept))


class Decode(nn.Module):
    """z and the encoder's maps -> logits 11 x h4 x w4."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, f4: Tensor, f8: Tensor, f16: Tensor) -> Tensor:
        return self.network.decode(z, Features(f4, f8, f16, f16))[0]


class Memorize(nn.Module):
    """A label map's tokens and what `propagate` carried on -> the rest of this frame's memory entry."""

    def __init__(self, network: SegmentationNetwork, family: Family) -> None:
        super().__init__()
        self.network, self.family = network, family

    def forward(self, identity: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
        carries = self.family.carried([tokens(x) for x in kept])
        entry = self.network.memorize(Carry(carries[0].key, carries), self.network.id_norm(tokens(identity)))
        like = identity.permute(2, 0, 1)
        return tuple(grid(value, like) for value in self.family.values(entry))


class Reference(nn.Module):
    """p and a label map's tokens -> z and a whole memory entry."""

    def __init__(self, network: SegmentationNetwork, family: Family) -> None:
        super().__init__()
        self.network, self.family = network, family

    def forward(self, p: Tensor, identity: Tensor) -> tuple[Tensor, ...]:
        z, entry = self.network.reference(p, self.network.id_norm(tokens(identity)))
        return z, *(grid(x, p) for x in self.family.flattened(entry))


@dataclass(frozen=True)
class NetworkGraphs:
    """All graphs of a network by name, each once, and the plans that use them."""

    graphs: dict[str, Graph]
    plans: dict[str, Plan]


def build_graphs(network: SegmentationNetwork, image_dtype: str = "uint8") -> NetworkGraphs:
    """The graphs of a network in evaluation mode.

    Args:
        network: The network with its weights.
        image_dtype: `uint8`, or `float32` to feed frames resized without rounding back to bytes.
    """
    family = FAMILIES.get(network.spec.family)
    shared = {graph.name: graph for graph in _shared(network, family, image_dtype)}
    whole = _whole(network, family)
    prefix, parts = family.prefix(network), family.propagation(network)
    external = {graph.name: graph for graph in (*([prefix] if prefix else []), *parts)}
    plans = {
        WHOLE: Plan(graphs=(*shared, whole.name), propagation=(whole.name,)),
        EXTERNAL_ATTENTION: Plan(
            graphs=(*shared, *external),
            prefix=prefix.name if prefix else None,
            propagation=tuple(graph.name for graph in parts),
        ),
    }
    return NetworkGraphs({**shared, whole.name: whole, **external}, plans)


def _shared(network: SegmentationNetwork, family: Family, image_dtype: str) -> list[Graph]:
    """The graphs of every plan."""
    spec, memory = network.spec, family.tensors(network.spec)
    maps, p, identity = tensors.maps(spec), tensors.projected(spec), tensors.identity(spec)
    z = tensors.decoder_input(family.output_channels(spec))
    return [
        Graph("encode", Encode(network), (tensors.image(image_dtype),), (*maps, p)),
        Graph("reference", Reference(network, family), (p, identity), (z, *memory.referenced())),
        Graph("decode", Decode(network), (z, *maps), (tensors.logits(),)),
        Graph("memorize", Memorize(network, family), (identity, *memory.carried()), memory.memorized()),
    ]


def _whole(network: SegmentationNetwork, family: Family) -> Graph:
    spec, memory = network.spec, family.tensors(network.spec)
    inputs = (tensors.projected(spec), tensors.temporal_rows(spec), *memory.memories())
    z = tensors.decoder_input(family.output_channels(spec))
    return Graph("propagate", Propagate(network), inputs, (z, tensors.query(spec, 0), *memory.propagated()))


def _quads(memories: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    return [tuple(memories[i : i + 4]) for i in range(0, len(memories), 4)]
