"""Graphs in float16 and int8: what they hold, and what they change, on the CPU."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from ermu.assets import DEMO_BUNDLE
from ermu.errors import BackendError, BundleError
from ermu.export.precision.clip import procedural_clip
from ermu.export.precision.comparison import compare, track
from ermu.export.precision.conversion import add_precision
from ermu.export.precision.float16 import to_float16
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.catalogue import validation_scenes
from ermu.scenes.scene import Scene
from tests.export.precision.precision_bundles import float16_of, short_clip, with_precision
from tests.support.golden_data import EXPORTED, SMALL, load_golden
from tests.support.golden_run import compare as compare_golden

FORBIDDEN = {
    "NonZero",
    "Loop",
    "If",
    "Scan",
    "ScatterND",
    "ScatterElements",
}  # boolean masks become ScatterND
FLOAT32_NODES = {"Softmax", "LayerNormalization", "InstanceNormalization", "Resize"}


def _graphs(bundle: Bundle) -> Iterator[tuple[str, onnx.GraphProto]]:
    for name in dict.fromkeys(graph for plan in bundle.manifest.plans.values() for graph in plan.graphs):
        yield name, onnx.load(bundle.graph_path(name)).graph


@pytest.fixture(scope="module")
def float16(bundle):
    return lambda name: float16_of(name, bundle(name))


@pytest.fixture(scope="module")
def int8(tiny_bundle, tmp_path_factory) -> Bundle:
    return with_precision(tiny_bundle, tmp_path_factory.mktemp("int8") / "tiny", "int8")


@pytest.mark.parametrize("name", EXPORTED)
def test_no_data_dependent_shapes_or_branches(name, bundle, float16):
    for at in (Bundle.load(bundle(name)), float16(name)):
        for graph_name, graph in _graphs(at):
            assert not FORBIDDEN & {node.op_type for node in graph.node}, graph_name
            assert not any(a.g.node or a.graphs for node in graph.node for a in node.attribute), graph_name


@pytest.mark.parametrize("name", EXPORTED)
def test_float16_constants_fit(name, float16):
    for graph_name, graph in _graphs(float16(name)):
        halves = 0
        for tensor in graph.initializer:
            if tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16):
                values = numpy_helper.to_array(tensor).astype(np.float64)
                assert np.isfinite(values).all() and np.abs(values).max(initial=0) <= 65504, tensor.name
            halves += tensor.data_type == TensorProto.FLOAT16
        assert halves, f"{graph_name} kept its weights in float32"


@pytest.mark.parametrize("name", EXPORTED)
def test_sensitive_nodes_stay_in_float32(name, float16):
    for graph_name, graph in _graphs(float16(name)):
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
        found = [node for node in graph.node if node.op_type in FLOAT32_NODES]
        assert all(types[node.output[0]] == TensorProto.FLOAT for node in found), graph_name


def test_float16_halves_the_memory_bank(float16):
    at = float16("aott")
    inputs = {t.name: t.dtype for t in at.manifest.graphs["propagate"].inputs}
    assert {inputs[name] for name in ("key0", "value0", "previous_key0", "previous_value0")} == {"float16"}
    assert inputs["rows"] == "float32"
    for name in ("reference", "memorize"):
        assert {t.name: t.dtype for t in at.manifest.graphs[name].inputs}["identity"] == "float32"
    assert at.manifest.graphs["decode"].outputs[0].dtype == "float32"


@pytest.mark.parametrize("name", EXPORTED)
def test_float16_follows_the_golden_clip(name, float16):
    clip = load_golden(name)
    segmenter = Segmenter(float16(name), capacity=clip.capacity, gap=clip.gap, long_edge=clip.long_edge)
    found = compare_golden(segmenter, clip, golden_masks=False)
    assert found.equal_pixels >= 0.995
    assert found.same_memory


@pytest.mark.parametrize("seed", [1000, pytest.param(1001, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", SMALL)
def test_float16_follows_procedural_clips(name, seed, bundle, float16):
    clip = procedural_clip(seed, frames=14, objects=3)
    found = compare(track(Bundle.load(bundle(name)), clip), float16(name), clip)
    assert found.evictions >= 3
    assert found.same_evictions
    assert found.pixel_agreement >= 0.995


def test_a_constant_too_large_for_float16_is_refused():
    value = onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    mask = numpy_helper.from_array(np.array([-1e8], np.float32), "mask")
    node = onnx.helper.make_node("Add", ["x", "mask"], ["y"], name="masked")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out], [mask]))
    with pytest.raises(BackendError, match="mask reaches 1e"):
        to_float16(model)


def test_int8_quantises_convolutions_only(int8):
    touched = {name for name, info in int8.manifest.graphs.items() if "int8" in info.file}
    assert touched == {"encode", "decode", "block0_prefix", "propagate0", "propagate1"}
    for name in ("encode", "decode", "propagate"):
        graph = onnx.load(int8.graph_path(name)).graph
        quantised = [n for n in graph.node if n.op_type == "QuantizeLinear"]
        assert bool(quantised) == (name in touched)
        makers = {output: node for node in graph.node for output in node.output}
        readers = {node.op_type for node in graph.node for i in node.input if _dequantised(makers, i)}
        assert readers <= {"Conv", "Add", "Shape"}  # those two read what a convolution reads


def test_int8_quantises_the_linear_layers_between_external_attention(int8):
    plan = int8.manifest.plans[EXTERNAL_ATTENTION]
    for name in (plan.prefix, *plan.propagation):
        graph = onnx.load(int8.graph_path(name)).graph
        makers = {output: node for node in graph.node for output in node.output}
        constants = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "MatMul":
                made = makers.get(node.input[1])
                linear = (
                    made is not None and made.op_type == "DequantizeLinear" and made.input[0] in constants
                )
                assert linear == _dequantised(makers, node.input[0]), "attention's products stay in float32"
                assert node.input[1] not in constants, "no linear layer is left out"


def test_int8_is_what_tensorrt_takes(int8):
    for _, graph in _graphs(int8):
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        for node in graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                zero = constants[node.input[2]]
                assert zero.dtype == np.int8 and not zero.any(), node.name
            if node.op_type == "DequantizeLinear" and node.input[0] in constants:
                weight, scale = constants[node.input[0]], constants[node.input[1]]
                (axis,) = (a.i for a in node.attribute if a.name == "axis")
                assert scale.shape == (weight.shape[axis],), "a scale for each output channel"
                assert axis == (0 if weight.ndim == 4 else 1)


def _dequantised(makers: dict[str, onnx.NodeProto], name: str) -> bool:
    return name in makers and makers[name].op_type == "DequantizeLinear"


def test_int8_runs_and_says_what_it_changes(int8):
    found = int8.manifest.variants["int8"].comparison
    assert 0.5 < found.pixel_agreement <= 1
    assert found.logit_difference > 0
    assert int8.manifest.variants["int8"].calibration == short_clip().name


def test_adding_a_precision_again_changes_nothing(float16):
    path = float16("aott").path  # shared, which this is the test of
    kinds = (".onnx", ".json", ".bin")
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir() if file.suffix in kinds}
    add_precision(path, "fp16", clip=short_clip())
    assert before == {name: (path / name).stat().st_mtime_ns for name in before}


def test_a_variant_adds_only_the_weights_that_it_changes(float16, int8):
    """Float16 has half of each weight; int8 a quarter of what has codes, and the rest where it is."""
    for at, share in ((float16("aott"), 0.55), (int8, 0.35)):
        (own,) = at.manifest.variants[at.manifest.precision].weights
        before = next(info for info in at.manifest.weights if info != own)
        assert (at.path / own.file).stat().st_size < share * (at.path / before.file).stat().st_size
    assert float16("aott").manifest.variants["fp16"].plans == (WHOLE,)
    assert int8.manifest.variants["int8"].plans == (WHOLE, EXTERNAL_ATTENTION)


def test_an_altered_variant_is_refused_and_the_rest_still_loads(tiny_bundle, tmp_path):
    at = with_precision(tiny_bundle, tmp_path / "tiny", "fp16")
    at.graph_path("decode").write_bytes(b"no graph")
    loaded = Bundle.load(at.path)
    with pytest.raises(BundleError, match="altered"):
        loaded.at_precision("fp16")


def test_a_precision_that_was_never_made_names_the_command(tiny_bundle):
    with pytest.raises(BundleError) as caught:
        Segmenter(tiny_bundle, precision="int8")
    assert "--precision int8" in str(caught.value.fix)


@pytest.mark.long
def test_int8_costs_the_demo_network_little(tmp_path):
    loaded = Bundle.load(shutil.copytree(DEMO_BUNDLE, tmp_path / "demo"))
    accuracy = _accuracy(loaded)
    assert accuracy > 0.5, "the demo network follows its objects"
    assert accuracy - _accuracy(add_precision(loaded, "int8")) <= 0.01


def _accuracy(bundle: Bundle, clips: int = 4, frames: int = 24) -> float:
    """Mean Jaccard index over the objects of procedural validation clips."""
    scores = []
    for config in [c for c in validation_scenes() if c.textures == "generated"][:clips]:
        scene = Scene(replace(config, frames=frames))
        segmenter = Segmenter(bundle, backend="onnxruntime")
        segmenter.start(*scene[0])
        for t in range(1, frames):
            frame, truth = scene[t]
            label = segmenter.step(frame).label
            scores += [_jaccard(label == i, truth == i) for i in scene.object_ids]
    return float(np.mean(scores))


def _jaccard(ours: np.ndarray, truth: np.ndarray) -> float:
    union = np.count_nonzero(ours | truth)
    return np.count_nonzero(ours & truth) / union if union else 1.0
