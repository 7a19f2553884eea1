"""How far a converted graph is from the graph that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.sizes import Grids, resolve
from ermu.types import Array

_ANY_GRID = (8, 6)  # tokens to try dynamic graphs at
_VARYING = {"G": 2, "T": 3, "P": 5, "K": 2}


def largest_difference(bundle: Bundle, graph: str, converted: Path) -> float:
    """Largest absolute difference over all outputs, on random inputs.

    Args:
        bundle: With the float32 graph.
        graph: Its name.
        converted: The other one's file.
    """
    rng = np.random.default_rng(2026)
    rule = bundle.manifest.network.grid
    size = bundle.manifest.input.size or (rule.side(_ANY_GRID[0]), rule.side(_ANY_GRID[1]))
    symbols = {**Grids(*size, rule).symbols(), **_VARYING}
    feeds = {t.name: _random(t, symbols, rng) for t in bundle.manifest.graphs[graph].inputs}
    theirs, ours = (_outputs(path, feeds) for path in (bundle.graph_path(graph), converted))
    return max(float(np.abs(a - b.astype(np.float32)).max()) for a, b in zip(theirs, ours, strict=True))


def _random(tensor: TensorInfo, symbols: Mapping[str, int], rng: np.random.Generator) -> Array:
    shape = resolve(tensor.shape, symbols)
    pixels = tensor.name == "image"
    values = rng.integers(0, 256, shape) if pixels else rng.standard_normal(shape)
    return values.astype(tensor.dtype)


def _outputs(path: Path, feeds: Mapping[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    halves = {i.name for i in session.get_inputs() if i.type == "tensor(float16)"}
    read = {i.name for i in session.get_inputs()}
    fed = {k: v.astype(np.float16) if k in halves else v for k, v in feeds.items() if k in read}
    return list(session.run(None, fed))
