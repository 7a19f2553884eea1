"""Networks that follow every object by itself, in float16 and int8: their graphs, and what changes."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ermu.errors import OptionError
from ermu.export.engines.profiles import most_of
from ermu.export.precision.clip import Clip
from ermu.export.precision.comparison import jaccard
from ermu.export.precision.conversion import add_precision
from ermu.export.precision.float16 import to_float16
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.roles import Role
from ermu.runtime.images.prompter import Box
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.session import Session

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def clip() -> Clip:
    from tests.support.sam2.clip import frames_of, masks_of

    frames = [np.ascontiguousarray(np.uint8(frame.numpy())[..., ::-1]) for frame in frames_of(8)]
    first, second, _ = masks_of().numpy().astype(np.uint8)
    return Clip("a pattern", frames, first + 2 * second, capacity=3, gap=1)


@pytest.fixture(scope="module")
def built(sam2_bundle, clip, tmp_path_factory) -> Bundle:
    path = shutil.copytree(sam2_bundle, tmp_path_factory.mktemp("built") / "sam2")
    add_precision(path, "fp16", clip=clip)
    return Bundle.load(add_precision(path, "int8", clip=clip).path)


def test_memories_are_halved_and_what_the_runtime_writes_is_not(built):
    at = built.at_precision("fp16")
    dtypes = {t.role: t.dtype for t in at.manifest.tensors}
    halves = {role for role, dtype in dtypes.items() if dtype == "float16"}
    assert halves == {
        *(Role.FEATURES, Role.UNCONDITIONED, Role.CONDITIONED, Role.MEMORIES, Role.MEMORIZED),
        *(Role.POINTERS, Role.POINTER, Role.MEMORY_QUERIES, Role.MEMORY_KEYS),
    }
    for graph in at.manifest.plans["whole"].graphs:
        stored = {t.data_type for t in onnx.load(at.graph_path(graph)).graph.initializer}
        assert TensorProto.FLOAT16 in stored, graph


def test_the_encoder_alone_is_quantised(built):
    variant = built.manifest.variants["int8"]
    assert set(variant.graphs) == {"encode"} and variant.plans == ("whole",)
    graph = onnx.load(built.at_precision("int8").graph_path("encode")).graph
    assert sum(node.op_type == "QuantizeLinear" for node in graph.node) > 10
    constants = {tensor.name for tensor in graph.initializer if min(tensor.dims[:2], default=0) >= 16}
    products = [node for node in graph.node if node.op_type in ("Conv", "MatMul")]
    assert not [node.name for node in products if node.input[1] in constants], "no wide weight is in float"


@pytest.mark.parametrize(("precision", "least"), [("fp16", 0.97), ("int8", 0.8)])
def test_what_changes_is_measured(precision, least, built, clip):
    """Two runs by hand; with random weights a mask's borders, and an object's presence, hang by a thread."""
    runs = []
    for name in ("fp32", precision):
        with Segmenter(built, precision=name, capacity=clip.capacity, gap=clip.gap) as segmenter:
            first = segmenter.start(clip.frames[0], clip.label).label
            labels = [first, *(segmenter.step(frame).label for frame in clip.frames[1:])]
            runs.append(np.stack(labels[1:]))
    exact, ours = runs
    found = built.manifest.variants[precision].comparison
    assert found.pixel_agreement == pytest.approx(np.mean(exact == ours), abs=1e-9)
    shares = [jaccard(a == i, b == i) for a, b in zip(exact, ours, strict=True) for i in (1, 2)]
    assert found.jaccard == pytest.approx(np.mean(shares), abs=1e-9)
    assert found.pixel_agreement > least and found.logit_difference > 0
    assert found.evictions > 0 and found.same_evictions, "the oldest leaves, whatever the masks are"


def test_jaccard_by_hand():
    ours, theirs = np.array([[True, True, False]]), np.array([[False, True, True]])
    assert jaccard(ours, theirs) == pytest.approx(1 / 3)
    assert jaccard(ours & ~ours, theirs & ~theirs) == 1


@pytest.mark.parametrize("precision", ["fp16", "int8", "bf16"])
def test_objects_are_added_by_boxes_scored_corrected_and_saved(precision, built, clip, tmp_path):
    if precision != "fp16":
        pytest.importorskip("openvino")
    with Segmenter(built, precision=precision, policy="ermu", capacity=3) as segmenter:
        segmenter.start(clip.frames[0], clip.label)
        for frame in clip.frames[1:4]:
            segmenter.step(frame)
        segmenter.add_object_at(7, Box(40, 40, 90, 90))
        evicted = [u.evicted for frame in clip.frames[4:6] for u in segmenter.step(frame).memory]
        segmenter.save(tmp_path / "saved.ermu")
        after = segmenter.step(clip.frames[6])
    with Segmenter(built, precision=precision, policy="ermu", capacity=3) as segmenter:
        segmenter.resume(Session.read(tmp_path / "saved.ermu"))
        again = segmenter.step(clip.frames[6])
    assert any(frame is not None for frame in evicted)
    np.testing.assert_array_equal(after.label, again.label)


def test_what_sines_are_taken_of_stays_exact():
    """An angle of whole turns: in float16 neighbours of 1000 are half a turn apart."""
    tau = numpy_helper.from_array(np.array([2 * np.pi], np.float32), "tau")
    nodes = [
        helper.make_node("Mul", ["age", "tau"], ["angle"], name="angle"),
        helper.make_node("Sin", ["angle"], ["y"], name="sine"),
    ]
    ages = np.array([1000.25, 2000.25, 3000.75], np.float32)
    found = _run(to_float16(_model(nodes, [tau], age=[3]), float32=["age"], places=["age"]), age=ages)
    np.testing.assert_allclose(found.astype(np.float64), [1, 1, -1], atol=1e-3)


def test_shares_of_counted_pixels_do_not_overflow():
    """Of 65,536 pixels, beyond float16, three quarters are above 0."""
    share, low, high, axes = (
        numpy_helper.from_array(np.array(values), name)
        for values, name in (
            (np.float32([0.7]), "share"),
            (np.float32(-9), "low"),
            (np.float32(0), "high"),
            ([0], "axes"),
        )
    )
    nodes = [helper.make_node("Div", ["count_high", "count_low"], ["part"], name="part")]
    for level in ("low", "high"):
        steps = {
            "above": ("Greater", ["x", level], {}),
            "ones": ("Cast", [f"above_{level}"], {"to": TensorProto.INT64}),
        }
        steps["sum"] = ("ReduceSum", [f"ones_{level}", "axes"], {})
        steps["count"] = ("Cast", [f"sum_{level}"], {"to": TensorProto.FLOAT})
        made = [
            helper.make_node(op, read, [f"{name}_{level}"], name=f"{name}_{level}", **attributes)
            for name, (op, read, attributes) in steps.items()
        ]
        nodes = [*made, *nodes]
    nodes += [
        helper.make_node("GreaterOrEqual", ["part", "share"], ["most"], name="most"),
        helper.make_node("Cast", ["most"], ["y"], name="y", to=TensorProto.FLOAT),
    ]
    model = to_float16(_model(nodes, [share, low, high, axes], x=[65536]))
    x = np.where(np.arange(65536) % 4 < 3, 1, -1).astype(np.float16)
    assert _run(model, x=x)[0] == 1
    assert _run(model, x=-x)[0] == 0


def test_the_most_that_engines_take(built, tiny_bundle):
    """Capacity 7: six frames without a prompt, and eight with one; 15 pointers and as many with one."""
    manifest = built.manifest
    assert most_of(manifest, 7) == {"T": 6 + 8, "P": 15 + 8, "K": 64}
    with pytest.raises(OptionError, match="8 memory frames are too many"):
        most_of(manifest, 8)
    assert most_of(Bundle.load(tiny_bundle).manifest, 9) == {"G": 5, "T": 9}


def _model(nodes, constants, **inputs):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", values, [out], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def _run(model, **feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]
