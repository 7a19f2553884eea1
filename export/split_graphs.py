"""`propagate` cut where a block reads the memories, for runtimes that bring kernels of their own there.

Part i ends with block i's query and part i + 1 begins with the answer: `query{i}` goes out, `recalled{i}`
comes in (the attention on the bank; scale, temporal rows and softmax are the runtime's). DeAOT's short-term
attention leaves with it: its query is `new_key{i}`, its learned bias `window_bias{i}`, its answer `near{i}`.
What a part hands to a later one is called `state_X`. No part depends on the number of memory frames.
AOT's `look` is what block 0 does before it reads anything: it runs once a frame, for all groups.
With them goes a `memorize` that takes a label map's tokens: the runtime embeds label maps, too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ermu.export.families.deaot.block import WINDOW_RADIUS
from ermu.export.graphs import Graph, GraphTensor, MemorizeTokens, MemoryTensors, grid, tokens
from ermu.export.network.layers import to_tokens
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.transformer import AotTransformer, DeaotTransformer

WINDOW = (2 * WINDOW_RADIUS + 1) ** 2


class AotLook(nn.Module):
    """p -> what block 0 makes of it before any memory is read: the same for every group."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, p: Tensor) -> tuple[Tensor, ...]:
        transformer: AotTransformer = self.network.LSTT  # type: ignore[assignment]
        _, position = transformer.grid(p)
        return tuple(grid(t, p) for t in transformer.blocks[0].look(to_tokens(p), position))


class AotPart(nn.Module):
    """From the answer to block `index - 1` (or from `AotLook`) to the query of block `index` (or to z)."""

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
            x = transformer.blocks[index - 1].take(tokens(first), tokens(rest.pop(0)), _hw(p))
            levels = [grid(transformer.decoder_norms[index - 1](x), p)]
        if index == len(transformer.blocks):
            return torch.cat([p, *(level.permute(2, 0, 1)[None] for level in (*rest, *levels))], dim=1)
        block, (short_key, short_value) = transformer.blocks[index], (tokens(t) for t in rest)
        if index > 0:
            x, key, value = block.look(x, transformer.grid(p)[1])
        x, query, carry = block.ask(x, key, value, self.network.cur_pos_emb, (short_key, short_value))
        return *(grid(t, p) for t in (query, *carry, x)), *levels


class DeaotPart(nn.Module):
    """As `AotPart`, with both branches; the gate passes by the attention."""

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
            x, y, gate, far, near = (tokens(t) for t in (first, *others))
            x, y = transformer.blocks[self.index - 1].take(x, y, gate, far, near, _hw(like))
        if self.index == len(transformer.blocks):
            return transformer.output(x, y, _hw(like))
        block = transformer.blocks[self.index]
        carry, gate = block.look(x, y)
        bias = block.short_term_attn.relative_bias(carry.key)
        kept = [t for t in carry if t is not None]
        query = carry.key + self.network.cur_pos_emb
        return tuple(grid(t, like) for t in (query, *kept, bias, x, y, gate))


def _hw(p: Tensor) -> tuple[int, int]:
    return p.shape[-2], p.shape[-1]


def build_split_graphs(network: SegmentationNetwork) -> list[Graph]:
    """`look` (AOT), `propagate0` to `propagateL` of L blocks, and `memorize`, in evaluation mode."""
    aot = network.spec.family == "aot"
    part = _aot_part if aot else _deaot_part
    tensors = MemoryTensors(network.spec)
    inputs = (tensors.of("identity", network.spec.width), *tensors.carried())
    memorize = Graph("memorize", MemorizeTokens(network), inputs, tensors.memorized())
    look = [_aot_look(network)] if aot else []
    return [*look, *(part(network, index) for index in range(network.spec.blocks + 1)), memorize]


def _aot_look(network: SegmentationNetwork) -> Graph:
    p = GraphTensor("p", "float32", (1, network.spec.width, "h", "w"))
    return Graph("look", AotLook(network), (p,), _shared(network))


def _shared(network: SegmentationNetwork) -> tuple[GraphTensor, ...]:
    tensors = MemoryTensors(network.spec)
    return tuple(tensors.of(f"shared_{name}", network.spec.width) for name in ("x", "key", "value"))


def _aot_part(network: SegmentationNetwork, i: int) -> Graph:
    tensors, spec = MemoryTensors(network.spec), network.spec
    p, x = GraphTensor("p", "float32", (1, spec.width, "h", "w")), tensors.of(f"state_x{i}", spec.width)
    answer = (
        tensors.of(f"state_x{i - 1}", spec.width),
        tensors.of(f"recalled{i - 1}", spec.width),
    )
    level = (tensors.of(f"state_level{i - 1}", spec.width),) if i else ()
    if i == spec.blocks:
        levels = (tensors.of(f"state_level{j}", spec.width) for j in range(i - 1))
        return Graph(f"propagate{i}", AotPart(network, i), (*answer, *levels, p), (_z(network),))
    query = tensors.of(f"query{i}", spec.key_width)
    inputs = (*answer, *tensors.short(i), p) if i else (*_shared(network), *tensors.short(i))
    return Graph(
        f"propagate{i}", AotPart(network, i), inputs, (query, *tensors.kept(i, final=True), x, *level)
    )


def _deaot_part(network: SegmentationNetwork, i: int) -> Graph:
    tensors, spec = MemoryTensors(network.spec), network.spec
    wide = 2 * spec.feedforward

    def state(block: int) -> tuple[GraphTensor, ...]:
        widths = {"x": spec.width, "y": spec.width, "gate": wide}
        return tuple(tensors.of(f"state_{name}{block}", width) for name, width in widths.items())

    answer = (
        *state(i - 1),
        tensors.of(f"recalled{i - 1}", wide),
        tensors.of(f"near{i - 1}", wide),
    )
    inputs = answer if i else (GraphTensor("p", "float32", (1, spec.width, "h", "w")),)
    if i == spec.blocks:
        return Graph(f"propagate{i}", DeaotPart(network, i), inputs, (_z(network),))
    query = tensors.of(f"query{i}", spec.key_width)
    bias = tensors.of(f"window_bias{i}", WINDOW)
    outputs = (query, *tensors.kept(i, final=True), bias, *state(i))
    return Graph(f"propagate{i}", DeaotPart(network, i), inputs, outputs)


def _z(network: SegmentationNetwork) -> GraphTensor:
    return GraphTensor("z", "float32", (1, network.LSTT.output_channels(network.spec), "h", "w"))  # type: ignore[operator]
