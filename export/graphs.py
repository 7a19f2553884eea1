"""The graphs of a bundle: the network cut at the points where the runtime holds the tensors.

Names are the contract with the runtime. `propagate` reads the bank (`key0`, `value0`, ... with a leading T)
and the previous frame (`short_key0`, ...). Whatever a graph calls `new_X` is this frame's entry for the
bank's tensor X; a `short_X` is fed by `new_short_X`, or by `new_X` where the family has no separate short
entry (DeAOT). Anything called `carry_X` goes from `propagate` to `memorize` untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ermu.export.network.memory import AotCarry, DeaotCarry
from ermu.export.network.network import Carry, Features, SegmentationNetwork
from ermu.export.network.spec import OBJECT_CAPACITY, NetworkSpec

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class GraphTensor:
    """A named input or output with its dtype (numpy name) and its shape, symbols for what varies."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Graph:
    """A module with named, flat inputs and outputs, ready for tracing."""

    name: str
    module: nn.Module
    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]


def tokens(x: Tensor) -> Tensor:
    """h x w x C -> 1 x n x C."""
    return x.flatten(0, 1)[None]


def _frames(x: Tensor) -> Tensor:
    """T x h x w x C -> 1 x T x n x C."""
    return x.flatten(1, 2)[None]


def grid(x: Tensor, p: Tensor) -> Tensor:
    """1 x n x C -> h x w x C, the grid taken from p."""
    return x[0].unflatten(0, (p.shape[-2], p.shape[-1]))


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
        long = [(_frames(k), _frames(v)) for k, v, _, _ in _quads(memories)]
        short = [(tokens(k), tokens(v)) for _, _, k, v in _quads(memories)]
        z, carry = self.network.propagate(p, long, rows, short)
        kept = [x for block in carry.blocks for x in block if x is not None]
        return z, *(grid(x, p) for x in (carry.query, *kept))


class Decode(nn.Module):
    """z and the encoder's maps -> logits 11 x h4 x w4."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, f4: Tensor, f8: Tensor, f16: Tensor) -> Tensor:
        return self.network.decode(z, Features(f4, f8, f16, f16))[0]


class Identify(nn.Module):
    """A label map's identity tokens; ids above ten, and 255, set no channel."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, label: Tensor) -> Tensor:
        ids = torch.arange(OBJECT_CAPACITY + 2, device=label.device)[:, None, None]
        one_hot = (label.to(torch.int64)[None] == ids) & (ids <= OBJECT_CAPACITY)
        return self.network.embed_identity(one_hot.to(self.network.cur_pos_emb.dtype)[None])


class Memorize(nn.Module):
    """A label map and what `propagate` kept -> the rest of this frame's memory entry."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network, self.identify = network, Identify(network)

    def forward(self, label: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
        return self._entry(self.identify(label), kept)

    def _entry(self, identity: Tensor, kept: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        like = kept[0].permute(2, 0, 1)
        entry = self.network.memorize(self._carry([tokens(x) for x in kept]), identity)
        if self.network.spec.family == "deaot":
            return tuple(grid(value, like) for _, value in entry.long)
        pairs = zip(entry.long, entry.short, strict=True)
        return tuple(grid(value, like) for long, short in pairs for value in (long[1], short[1]))

    def _carry(self, kept: list[Tensor]) -> Carry:
        unread = kept[0]
        if self.network.spec.family == "aot":
            pairs = zip(kept[0::2], kept[1::2], strict=True)
            return Carry(unread, [AotCarry(unread, value, unread, short) for value, short in pairs])
        first = [DeaotCarry(unread, kept[0], None)]
        pairs = zip(kept[1::2], kept[2::2], strict=True)
        return Carry(unread, first + [DeaotCarry(unread, value, context) for value, context in pairs])


class MemorizeTokens(Memorize):
    """`Memorize` from the label map's tokens, for runtimes that embed label maps themselves."""

    def forward(self, identity: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
        return self._entry(self.network.id_norm(tokens(identity)), kept)


class Reference(nn.Module):
    """p and a label map -> z and a whole memory entry."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network, self.identify = network, Identify(network)

    def forward(self, p: Tensor, label: Tensor) -> tuple[Tensor, ...]:
        z, entry = self.network.reference(p, self.identify(label))
        if self.network.spec.family == "deaot":
            return z, *(grid(x, p) for pair in entry.long for x in pair)
        pairs = zip(entry.long, entry.short, strict=True)
        return z, *(grid(x, p) for long, short in pairs for x in (*long, *short))


def _quads(memories: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    return [tuple(memories[i : i + 4]) for i in range(0, len(memories), 4)]


def build_graphs(network: SegmentationNetwork, image_dtype: str = "uint8") -> list[Graph]:
    """The five graphs of a network in evaluation mode.

    Args:
        network: The network with its weights.
        image_dtype: `uint8`, or `float32` to feed frames resized without rounding back to bytes.
    """
    spec = network.spec
    tensors = MemoryTensors(spec)
    maps = (
        GraphTensor("f4", "float32", (1, spec.decoder_width // 2, "h4", "w4")),
        GraphTensor("f8", "float32", (1, spec.decoder_width, "h8", "w8")),
        GraphTensor("f16", "float32", (1, spec.decoder_width, "h", "w")),
    )
    p = GraphTensor("p", "float32", (1, spec.width, "h", "w"))
    z = GraphTensor("z", "float32", (1, network.LSTT.output_channels(spec), "h", "w"))  # type: ignore[operator]
    label = GraphTensor("label", "uint8", ("H", "W"))
    rows = GraphTensor("rows", "float32", ("T", spec.key_width))
    query = GraphTensor("query", "float32", ("h", "w", spec.key_width))
    logits = GraphTensor("logits", "float32", (OBJECT_CAPACITY + 1, "h4", "w4"))
    image = GraphTensor("image", image_dtype, (1, "H", "W", 3))
    return [
        Graph("encode", Encode(network), (image,), (*maps, p)),
        Graph(
            "propagate", Propagate(network), (p, rows, *tensors.memories()), (z, query, *tensors.propagated())
        ),
        Graph("decode", Decode(network), (z, *maps), (logits,)),
        Graph("memorize", Memorize(network), (label, *tensors.carried()), tensors.memorized()),
        Graph("reference", Reference(network), (p, label), (z, *tensors.referenced())),
    ]


class MemoryTensors:
    """Names and shapes of the memory tensors of a network, block by block."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec, self.aot = spec, spec.family == "aot"
        self.value_width = spec.width if self.aot else 2 * spec.feedforward

    def memories(self) -> tuple[GraphTensor, ...]:
        return self._each(
            lambda i: (
                self.of(f"key{i}", self.spec.key_width, "T"),
                self.of(f"value{i}", self.value_width, "T"),
                *self.short(i),
            )
        )

    def short(self, i: int) -> tuple[GraphTensor, ...]:
        """The previous frame's entry in block i."""
        return self.of(f"short_key{i}", self.spec.key_width), self.of(f"short_value{i}", self.value_width)

    def propagated(self) -> tuple[GraphTensor, ...]:
        return self._each(lambda i: self.kept(i, final=True))

    def carried(self) -> tuple[GraphTensor, ...]:
        return self._each(lambda i: self.kept(i, final=False))

    def memorized(self) -> tuple[GraphTensor, ...]:
        short = (
            (lambda i: (self.of(f"new_short_value{i}", self.value_width),)) if self.aot else (lambda i: ())
        )
        return self._each(lambda i: (self.of(f"new_value{i}", self.value_width), *short(i)))

    def referenced(self) -> tuple[GraphTensor, ...]:
        names = ("new_", "new_short_") if self.aot else ("new_",)
        return self._each(
            lambda i: tuple(
                self.of(f"{name}{kind}{i}", width)
                for name in names
                for kind, width in (("key", self.spec.key_width), ("value", self.value_width))
            )
        )

    def kept(self, i: int, *, final: bool) -> tuple[GraphTensor, ...]:
        """What a propagated frame keeps of block i; `final` adds what needs no label."""
        spec = self.spec
        key = (self.of(f"new_key{i}", spec.key_width),) if final else ()
        if self.aot:
            short_key = (self.of(f"new_short_key{i}", spec.width),) if final else ()
            return (
                *key,
                self.of(f"carry_value{i}", spec.width),
                *short_key,
                self.of(f"carry_short{i}", spec.width),
            )
        context = (self.of(f"carry_context{i}", spec.width),) if i > 0 else ()
        return (*key, self.of(f"carry_value{i}", spec.feedforward), *context)

    def _each(self, of_block: Callable[[int], tuple[GraphTensor, ...]]) -> tuple[GraphTensor, ...]:
        return tuple(tensor for i in range(self.spec.blocks) for tensor in of_block(i))

    @staticmethod
    def of(name: str, channels: int, *leading: str) -> GraphTensor:
        """A tensor on the token grid."""
        return GraphTensor(name, "float32", (*leading, "h", "w", channels))
