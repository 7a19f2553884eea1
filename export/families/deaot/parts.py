"""DeAOT's `propagate` cut where a block reads its memories (`docs/spec/network.md`, 'DeAOT block').

Graph i ends with block i's queries and graph i + 1 begins with what the attention returned: `query{i}` reads
the bank (`memory_readout{i}`), the frame's own key reads a window of the previous frame (`local_readout{i}`)
with the learned bias `local_bias{i}`. Scales, temporal rows and softmax are the runtime's. The gate passes by
the attention. None depends on the number of memory frames.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ermu.export.families.deaot.transformer import DeaotTransformer
from ermu.export.family import Family
from ermu.export.graph import Graph, as_map, grid, grid_size, tokens
from ermu.export.network.layers import to_tokens
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.window import WINDOW
from ermu.export.tensors import decoder_input, features, on_grid, query
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role


class DeaotPart(nn.Module):
    """From the readouts of block `index - 1` (or from p) to the queries of block `index` (or to z)."""

    def __init__(self, network: SegmentationNetwork, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, first: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        transformer = cast(DeaotTransformer, self.network.LSTT)
        if self.index == 0:
            x, like = to_tokens(first), first
            y = torch.zeros_like(x)
        else:
            like = as_map(first)
            x, y, gate, memory, local = (tokens(t) for t in (first, *others))
            x, y = transformer.blocks[self.index - 1].finish(x, y, gate, memory, local, grid_size(like))
        if self.index == len(transformer.blocks):
            return transformer.output(x, y, grid_size(like))
        block = transformer.blocks[self.index]
        carry, gate = block.project(x, y)
        asked, bias = block.prepare_query(carry.key, self.network.cur_pos_emb)
        kept = [t for t in carry if t is not None]
        return tuple(grid(t, like) for t in (asked, *kept, bias, x, y, gate))


def deaot_parts(family: Family, network: SegmentationNetwork) -> list[Graph]:
    """`propagate0` to `propagateL`."""
    return [_part(family, network, i) for i in range(network.spec.blocks + 1)]


def _part(family: Family, network: SegmentationNetwork, i: int) -> Graph:
    spec, module, wide = network.spec, DeaotPart(network, i), family.value_width(network.spec)

    def state(block: int) -> tuple[TensorInfo, ...]:
        widths = {"x": spec.width, "y": spec.width, "gate": wide}
        return tuple(on_grid(f"state_{name}{block}", width, Role.STATE) for name, width in widths.items())

    inputs: tuple[TensorInfo, ...] = (features("p", spec.width),)
    if i:
        memory = on_grid(f"memory_readout{i - 1}", wide, Role.MEMORY_READOUT, block=i - 1)
        local = on_grid(f"local_readout{i - 1}", wide, Role.LOCAL_READOUT, block=i - 1)
        inputs = (*state(i - 1), memory, local)
    if i == spec.blocks:
        return Graph(f"propagate{i}", module, inputs, (decoder_input(network.LSTT.output_channels),))
    bias = on_grid(f"local_bias{i}", WINDOW, Role.BIAS, block=i)
    outputs = (query(i, spec), *family.carried(spec, i), bias, *state(i))
    return Graph(f"propagate{i}", module, inputs, outputs)
