"""AOT's `propagate` cut where a block reads the bank (`docs/spec/network.md`, 'AOT block').

Graph i ends with block i's query `query{i}`, and graph i + 1 begins with what attention on the bank returned:
`memory_readout{i}` (scale, temporal rows and softmax are the runtime's). None depends on how many memory
frames there are. What block 0 does before it reads anything is a graph of its own, which serves all groups.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ermu.export.families.aot.transformer import AotTransformer
from ermu.export.family import Family
from ermu.export.graph import Graph, as_map, grid, grid_size, tokens
from ermu.export.network.layers import to_tokens
from ermu.export.network.network import SegmentationNetwork
from ermu.export.tensors import decoder_input, features, on_grid, previous_of, query
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role


class Block0Prefix(nn.Module):
    """p -> what block 0 makes of it before any memory is read."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, p: Tensor) -> tuple[Tensor, ...]:
        transformer = cast(AotTransformer, self.network.LSTT)
        _, position = transformer.grid(p)
        return tuple(grid(t, p) for t in transformer.blocks[0].project(to_tokens(p), position))


class AotPart(nn.Module):
    """From the readout of block `index - 1` (or the prefix) to the query of block `index` (or to z)."""

    def __init__(self, network: SegmentationNetwork, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, first: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        transformer = cast(AotTransformer, self.network.LSTT)
        index, rest, p, levels = self.index, list(others), as_map(first), []
        if index == 0:
            x, key, value = (tokens(t) for t in (first, rest.pop(0), rest.pop(0)))
        else:
            p = rest.pop()
            readout = tokens(rest.pop(0))
            x = transformer.blocks[index - 1].finish(tokens(first), readout, grid_size(p))
            levels = [grid(transformer.decoder_norms[index - 1](x), p)]
        if index == len(transformer.blocks):
            return transformer.output(p, [as_map(level) for level in (*rest, *levels)])
        block, (previous_key, previous_value) = transformer.blocks[index], (tokens(t) for t in rest)
        if index > 0:
            x, key, value = block.project(x, transformer.grid(p)[1])
        previous = (previous_key, previous_value)
        x, asked, carry = block.prepare_query(x, key, value, grid_size(p), self.network.cur_pos_emb, previous)
        return *(grid(t, p) for t in (asked, *carry, x)), *levels


def aot_parts(family: Family, network: SegmentationNetwork) -> tuple[Graph, list[Graph]]:
    """The prefix, and `propagate0` to `propagateL`."""
    width = network.spec.width
    prefix = tuple(on_grid(f"prefix_{name}", width, Role.FEATURES) for name in ("x", "key", "value"))
    graph = Graph("block0_prefix", Block0Prefix(network), (features("p", width),), prefix)
    return graph, [_part(family, network, i, prefix) for i in range(network.spec.blocks + 1)]


def _part(family: Family, network: SegmentationNetwork, i: int, prefix: tuple[TensorInfo, ...]) -> Graph:
    spec, module = network.spec, AotPart(network, i)

    def state(name: str, block: int) -> TensorInfo:
        return on_grid(f"state_{name}{block}", spec.width, Role.STATE)

    before: tuple[TensorInfo, ...] = prefix
    if i:
        readout = on_grid(f"memory_readout{i - 1}", spec.width, Role.MEMORY_READOUT, block=i - 1)
        before = (state("x", i - 1), readout)
    p = (features("p", spec.width),) if i else ()
    if i == spec.blocks:
        levels = (state("level", j) for j in range(i - 1))
        return Graph(
            f"propagate{i}", module, (*before, *levels, *p), (decoder_input(network.LSTT.output_channels),)
        )
    previous = (previous_of(entry) for entry in family.previous_entries(spec, i))
    level = (state("level", i - 1),) if i else ()
    outputs = (query(i, spec), *family.carried(spec, i), state("x", i), *level)
    return Graph(f"propagate{i}", module, (*before, *previous, *p), outputs)
