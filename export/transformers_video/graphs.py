"""The graphs of a network that follows every object by itself (`docs/sam2.md`, 'Graphs')."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ermu.export.graph import TOLERANCE, Graph
from ermu.export.network.normalisation import IMAGENET, Normalisation
from ermu.export.tensors import described
from ermu.export.transformers_video.attention import single_headed
from ermu.export.transformers_video.decoder import Label, Point, Segment
from ermu.export.transformers_video.encoder import Encode
from ermu.export.transformers_video.memory import Memorize, MemorizePrompt, Recall
from ermu.export.transformers_video.score import Score
from ermu.runtime.bundle.object_manifest import ObjectPlan
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role

# Two values between which a number of 8 bits is rounded lie this far apart, relative to them.
_BFLOAT16 = 2.0**-7


def build_object_graphs(
    model: Any, image_dtype: str = "float32", normalisation: Normalisation = IMAGENET
) -> list[Graph]:
    """Every graph of a `Sam2VideoModel` or `EdgeTamVideoModel` in evaluation mode.

    Args:
        model: With its weights.
        image_dtype: `float32` for frames resized exactly, `uint8` for frames rounded back to bytes.
        normalisation: Of its input; default, ImageNet's.
    """
    width, entry_width = model.hidden_dim, model.mem_dim
    recall = Recall(model)
    f4 = _map("f4", model.mask_decoder.conv_s0.out_channels, "4")
    f8 = _map("f8", model.mask_decoder.conv_s1.out_channels, "8")
    f16 = _map("f16", width)
    entry = described("entry", tuple(recall.memory_positions.shape), Role.MEMORIZED)
    logits = described("logits", ("h4", "w4"), Role.LOGITS)
    presence = described("presence", (1,), Role.PRESENCE)
    verdict = (logits, presence, described("pointer", (width,), Role.POINTER))
    conditioned = _map("conditioned", width, role=Role.CONDITIONED)
    first = _map("unconditioned", width, role=Role.UNCONDITIONED)
    image = described("image", (1, "H", "W", 3), Role.INPUT, dtype=image_dtype)
    mask = described("mask", ("H", "W"), Role.MASK)
    memory = (
        described("memory", ("T", *entry.shape), Role.MEMORIES),
        described("memory_rows", ("T", entry_width), Role.MEMORY_ROWS),
        described("pointers", ("P", width), Role.POINTERS),
        described("pointer_ages", ("P",), Role.POINTER_AGES),
    )
    clicks = (
        described("points", ("K", 2), Role.POINTS),
        described("point_signs", ("K",), Role.POINT_SIGNS),
    )
    remembered = ((entry,), TOLERANCE if recall.perceived else _BFLOAT16)
    graphs = [
        Graph("encode", Encode(model, normalisation), (image,), (f4, f8, f16, first)),
        Graph("recall", recall, (f16, *memory), (conditioned,)),
        Graph("segment", Segment(model), (conditioned, f4, f8), verdict),
        Graph("point", Point(model), (conditioned, f4, f8, *clicks), verdict),
        Graph("label", Label(model), (mask, f4, f8, f16), verdict),
        Graph("memorize", Memorize(model), (f16, logits, presence), *remembered),
        Graph("memorize_prompt", MemorizePrompt(model), (f16, mask, presence), *remembered),
    ]
    if not single_headed(model):
        return graphs
    score = Score(model)
    queries = described("queries", score.queries_shape, Role.MEMORY_QUERIES)
    keys = described("keys", ("T", *score.queries_shape[1:]), Role.MEMORY_KEYS)
    return [*graphs, Graph("score", score, (f16, *memory[:2]), (queries, keys))]


def object_plan(graphs: Collection[str]) -> ObjectPlan:
    """The plan that graphs of these names form: each does what its name says."""
    return ObjectPlan(
        encode="encode",
        recall="recall",
        segment="segment",
        point="point",
        label="label",
        memorize="memorize",
        memorize_prompt="memorize_prompt",
        score="score" if "score" in graphs else None,
    )


def _map(name: str, channels: int, stride: str = "", *, role: Role = Role.FEATURES) -> TensorInfo:
    """A map C x h x w, at a stride that its symbols name."""
    return described(name, (channels, f"h{stride}", f"w{stride}"), role)
