"""Ranges of int8 come from the clip that is given, a user's own too."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import cv2
import numpy as np
import onnx
from onnx import numpy_helper

from ermu.export.precision.clip import recorded_clip
from ermu.export.precision.conversion import add_precision
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.labels import write_label_map


def _largest_scale(bundle: Bundle) -> float:
    """The largest scale of an activation in the encoder, one number each where weights have many."""
    graph = onnx.load(bundle.graph_path("encode")).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scales = [constants[node.input[1]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert scales and all(scale.size == 1 for scale in scales)
    return float(max(scale.max() for scale in scales))


def test_a_recorded_clip_sets_the_ranges(tiny_bundle: Path, tmp_path: Path) -> None:
    """Grey frames leave the encoder's activations narrower than frames of noise do."""
    rng, found = np.random.default_rng(0), dict[str, float]()
    label = np.zeros((96, 128), np.uint8)
    label[20:60, 30:90] = 1
    write_label_map(tmp_path / "first.png", label)
    for name, spread in (("grey", 0), ("noise", 127)):
        frames = tmp_path / name
        frames.mkdir()
        for t in range(3):
            image = 128 + spread * rng.choice([-1, 1], (96, 128, 3))
            cv2.imwrite(str(frames / f"{t}.png"), image.astype(np.uint8))
        copy = copytree(tiny_bundle, tmp_path / f"bundle_{name}")
        clip = recorded_clip(str(frames), tmp_path / "first.png")
        built = add_precision(copy, "int8", clip=clip)
        assert built.manifest.variants["int8"].calibration == name
        found[name] = _largest_scale(Bundle.load(copy).at_precision("int8"))
    assert found["noise"] > 1.2 * found["grey"]
