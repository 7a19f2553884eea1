"""AOT's propagation cut at its attentions on the bank, for the plan `external_attention`.

Graph i ends with block i's query; graph i + 1 begins with its memory readout. No graph depends on the number
of memory frames. The short-term attention on the previous frame stays inside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ermu.export import tensors
from ermu.export.families.aot.tensors import AotTensors
from ermu.export.families.aot.transformer import AotTransformer
from ermu.export.graph import Graph, grid, hw, tokens
from ermu.export.network.layers import to_tokens
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.tensors import block_tensor, grid_tensor
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.roles import Role


class Block0Prefix(nn.Module):
    """p -> what block 0 makes of it before any memory is read: the same for every group."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, p: Tensor) -> tuple[Tensor, ...]:
        transformer: AotTransformer = self.network.LSTT  # type: ignore[assignment]
        _, position = transformer.grid(p)
        return tuple(grid(t, p) for t in transformer.blocks[0].project(to_tokens(p), position))


class PropagateFrom(nn.Module):
    """From the readout of block `index - 1` (or from `Block0Prefix`) to the query of `index` (or to z)."""

    def __init__(self, network: SegmentationNetwork, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, first: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        transformer: AotTransformer = self.network.LSTT  # type: ignore[assignment]
        index, rest, p, levels = self.index, list(others), first.permute(2, 0, 1), []
        if index == 0:
            x, key, value = (tokens(t) for t in (first, rest.pop(0), rest.pop(0)))
        else:
            p = rest.pop()
            x = transformer.blocks[index - 1].finish(tokens(first), tokens(rest.pop(0)), hw(p))
            levels = [grid(transformer.decoder_norms[index - 1](x), p)]
        if index == len(transformer.blocks):
            return torch.cat([p, *(level.permute(2, 0, 1)[None] for level in (*rest, *levels))], dim=1)
        block, (previous_key, previous_value) = transformer.blocks[index], (tokens(t) for t in rest)
        if index > 0:
            x, key, value = block.project(x, transformer.grid(p)[1])
        previous = (previous_key, previous_value)
        x, query, carry = block.prepare_query(x, key, value, self.network.cur_pos_emb, previous)
        return *(grid(t, p) for t in (query, *carry, x)), *levels


def prefix_graph(network: SegmentationNetwork) -> Graph:
    """Block 0's prefix."""
    spec = network.spec
    return Graph("block0_prefix", Block0Prefix(network), (tensors.projected(spec),), _prefixed(spec))


def propagation_graph(network: SegmentationNetwork, index: int, z: TensorInfo) -> Graph:
    """Graph `index` of L + 1."""
    spec, memory, p = network.spec, AotTensors(network.spec), tensors.projected(network.spec)
    name, module = f"propagate{index}", PropagateFrom(network, index)
    readout = (
        _state("x", index - 1, spec),
        block_tensor("memory_readout", index - 1, spec.width, Role.MEMORY_READOUT),
    )
    if index == spec.blocks:
        levels = (_state("level", block, spec) for block in range(index - 1))
        return Graph(name, module, (*readout, *levels, p), (z,))
    previous = memory.previous(index)
    inputs = (*readout, *previous, p) if index else (*_prefixed(spec), *previous)
    level = (_state("level", index - 1, spec),) if index else ()
    outputs = (tensors.query(spec, index), *memory.kept(index), _state("x", index, spec), *level)
    return Graph(name, module, inputs, outputs)


def _prefixed(spec: NetworkSpec) -> tuple[TensorInfo, ...]:
    return tuple(grid_tensor(f"prefix_{name}", spec.width, Role.FEATURES) for name in ("x", "key", "value"))


def _state(name: str, block: int, spec: NetworkSpec) -> TensorInfo:
    return grid_tensor(f"state_{name}{block}", spec.width, Role.STATE)
