"""The zoo's AOT: `propagate` cut where a block reads its memories (`docs/spec/zoo.md`).

Graph i ends with what block i asks, and graph i + 1 begins with what it was told: `query{i}` reads the bank
(`memory_readout{i}`), the frame's own key reads a window of the previous frame (`local_readout{i}`) with the
logits of relative positions `local_bias{i}`. Scales, relative values and softmax are the runtime's. Block 0
asks the same for all groups: a graph of its own does it once, and a group's part only keeps what it will
remember.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ermu.export.families.aot.transformer import AotTransformer
from ermu.export.families.aot_local.block import AotLocalBlock
from ermu.export.family import Family
from ermu.export.graph import Graph, as_map, grid, grid_size, tokens
from ermu.export.network.layers import to_tokens
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.window import WINDOW
from ermu.export.tensors import decoder_input, described, features, on_grid, query
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role


class _Part(nn.Module):
    """The network, seen block by block."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def transformer(self) -> AotTransformer:
        return cast(AotTransformer, self.network.LSTT)

    def block(self, index: int) -> AotLocalBlock:
        return cast(AotLocalBlock, self.transformer.blocks[index])

    def asked(self, index: int, key: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """The block's query G x h x w x C, and its biases G x heads x h x w x 225."""
        asked, bias = self.block(index).ask(key, self.network.cur_pos_emb)
        return grid(asked, like), bias.unflatten(2, grid_size(like))


class Block0Prefix(_Part):
    """p -> what block 0 makes of it before any memory is read, and what it asks."""

    def forward(self, p: Tensor) -> tuple[Tensor, ...]:
        x, key, value = self.block(0).project(to_tokens(p), self.transformer.grid(p)[1])
        return *(grid(t, p) for t in (x, key, value)), *self.asked(0, key, p)


class Block0(nn.Module):
    """The prefix's key and value -> a group's own."""

    def forward(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return key.clone(), value.clone()


class AotLocalPart(_Part):
    """From the readouts of block `index - 1` to what block `index` asks (or to z)."""

    def __init__(self, network: SegmentationNetwork, index: int) -> None:
        super().__init__(network)
        self.index = index

    def forward(
        self, x: Tensor, memory: Tensor, local: Tensor, *others: Tensor
    ) -> Tensor | tuple[Tensor, ...]:
        index, (*levels, p) = self.index, others
        before = self.block(index - 1)
        x = before.add_local(tokens(x), tokens(local))
        x = before.finish(x, tokens(memory), grid_size(p))
        level = grid(self.transformer.decoder_norms[index - 1](x), p)
        if index == self.network.spec.blocks:
            return self.transformer.output(p, [as_map(t) for t in (*levels, level)])
        x, key, value = self.block(index).project(x, self.transformer.grid(p)[1])
        query, bias = self.asked(index, key, p)
        return query, *(grid(t, p) for t in (key, value)), bias, grid(x, p), level


def aot_local_parts(family: Family, network: SegmentationNetwork) -> tuple[Graph, list[Graph]]:
    """The prefix, and `propagate0` to `propagateL`."""
    spec = network.spec
    x, key, value = (on_grid(f"prefix_{name}", spec.width, Role.FEATURES) for name in ("x", "key", "value"))
    asked = (query(0, spec), _bias(spec, 0))
    prefix = Graph(
        "block0_prefix", Block0Prefix(network), (features("p", spec.width),), (x, key, value, *asked)
    )
    first = Graph("propagate0", Block0(), (key, value), family.carried(spec, 0))
    return prefix, [first, *(_part(family, network, i, x) for i in range(1, spec.blocks + 1))]


def _part(family: Family, network: SegmentationNetwork, i: int, prefix_x: TensorInfo) -> Graph:
    spec, module = network.spec, AotLocalPart(network, i)

    def state(name: str, block: int) -> TensorInfo:
        return on_grid(f"state_{name}{block}", spec.width, Role.STATE)

    memory = on_grid(f"memory_readout{i - 1}", spec.width, Role.MEMORY_READOUT, block=i - 1)
    local = on_grid(f"local_readout{i - 1}", spec.width, Role.LOCAL_READOUT, block=i - 1)
    before = (prefix_x if i == 1 else state("x", i - 1), memory, local)
    p = features("p", spec.width)
    if i == spec.blocks:
        levels = (state("level", j) for j in range(i - 1))
        z = decoder_input(network.LSTT.output_channels)
        return Graph(f"propagate{i}", module, (*before, *levels, p), (z,))
    kept = (state("x", i), state("level", i - 1))
    outputs = (query(i, spec), *family.carried(spec, i), _bias(spec, i), *kept)
    return Graph(f"propagate{i}", module, (*before, p), outputs)


def _bias(spec: NetworkSpec, block: int) -> TensorInfo:
    return described(f"local_bias{block}", ("G", spec.heads, "h", "w", WINDOW), Role.BIAS, block=block)
