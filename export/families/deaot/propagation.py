"""DeAOT's propagation cut at its attentions on the memories, for the plan `external_attention`.

Graph i ends with block i's query, key and local bias; graph i + 1 begins with its memory readout and its
local readout. No graph depends on the number of memory frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ermu.export import tensors
from ermu.export.families.deaot.block import WINDOW_RADIUS
from ermu.export.families.deaot.tensors import DeaotTensors
from ermu.export.families.deaot.transformer import DeaotTransformer
from ermu.export.graph import Graph, grid, hw, tokens
from ermu.export.network.layers import to_tokens
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.tensors import block_tensor, grid_tensor
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.roles import Role

WINDOW = (2 * WINDOW_RADIUS + 1) ** 2


class PropagateFrom(nn.Module):
    """From the readouts of block `index - 1` (or from p) to the query of block `index` (or to z)."""

    def __init__(self, network: SegmentationNetwork, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, first: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        transformer: DeaotTransformer = self.network.LSTT  # type: ignore[assignment]
        if self.index == 0:
            x, like = to_tokens(first), first
            y = torch.zeros_like(x)
        else:
            like = first.permute(2, 0, 1)
            x, y, gate, memory_readout, local_readout = (tokens(t) for t in (first, *others))
            block = transformer.blocks[self.index - 1]
            x, y = block.finish(x, y, gate, memory_readout, local_readout, hw(like))
        if self.index == len(transformer.blocks):
            return transformer.output(x, y, hw(like))
        block = transformer.blocks[self.index]
        carry, gate = block.project(x, y)
        bias = block.short_term_attn.relative_bias(carry.key)
        kept = [t for t in carry if t is not None]
        query = block.prepare_query(carry, self.network.cur_pos_emb)
        return tuple(grid(t, like) for t in (query, *kept, bias, x, y, gate))


def propagation_graph(network: SegmentationNetwork, index: int, z: TensorInfo) -> Graph:
    """Graph `index` of L + 1."""
    spec, memory = network.spec, DeaotTensors(network.spec)
    name, module, wide = f"propagate{index}", PropagateFrom(network, index), memory.value_width
    inputs: tuple[TensorInfo, ...] = (tensors.projected(spec),)
    if index:
        inputs = (
            *_state(index - 1, spec),
            block_tensor("memory_readout", index - 1, wide, Role.MEMORY_READOUT),
            block_tensor("local_readout", index - 1, wide, Role.LOCAL_READOUT),
        )
    if index == spec.blocks:
        return Graph(name, module, inputs, (z,))
    bias = block_tensor("local_bias", index, WINDOW, Role.BIAS)
    outputs = (tensors.query(spec, index), *memory.kept(index), bias, *_state(index, spec))
    return Graph(name, module, inputs, outputs)


def _state(block: int, spec: NetworkSpec) -> tuple[TensorInfo, ...]:
    widths = {"x": spec.width, "y": spec.width, "gate": 2 * spec.feedforward}
    return tuple(grid_tensor(f"state_{name}{block}", width, Role.STATE) for name, width in widths.items())
