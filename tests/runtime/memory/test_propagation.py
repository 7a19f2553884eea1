"""Every way to run a bundle on the CPU, against golden results and against the plain graphs."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import BackendError, OptionError
from ermu.kernels.base.scoring import MAX_SLOTS
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.catalogue import demo_scene
from ermu.scenes.scene import Scene
from tests.support.golden_data import EXPORTED, load_golden
from tests.support.golden_run import compare

ATTENTION = load_kernels().attention
PATHS = [
    (backend, plan) for backend in ("onnxruntime", "openvino") for plan in ("whole", "external_attention")
]


def _open(bundle, path):
    backend, plan = path
    if backend == "openvino":
        pytest.importorskip("openvino")
    return open_backend(bundle, backend=backend, plan=plan)


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("path", PATHS, ids=", ".join)
def test_golden_results_on_every_path(name, path, bundle):
    clip, loaded = load_golden(name), Bundle.load(bundle(name))
    options = {"capacity": clip.capacity, "gap": clip.gap, "long_edge": clip.long_edge}
    found = compare(Segmenter(loaded, backend=_open(loaded, path), **options), clip, golden_masks=True)
    assert found.logits < 1e-4
    assert found.same_memory
    assert found.scores < 1e-4
    assert found.relevance_mean < 1e-4


def _run(backend, frames=25, **options):
    """Labels and frames held, of the demo network on its clip."""
    segmenter, scene = Segmenter("demo", backend=backend, gap=2, **options), Scene(demo_scene())
    segmenter.start(*scene[0])
    results = [segmenter.step(scene[t][0]) for t in range(1, frames)]
    return np.stack([r.label for r in results]), [r.memory[0].frames for r in results]


@pytest.mark.parametrize("policy", ["ermu", "rmem", "fifo", "none"])
def test_both_plans_follow_every_policy_alike(policy):
    demo = Bundle.load("demo")
    whole, external = (_run(_open(demo, path), policy=policy, capacity=4) for path in PATHS[:2])
    assert np.mean(whole[0] == external[0]) > 0.999
    assert whole[1] == external[1]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_attention_in_fewer_bits_on_the_trained_network(precision):
    if precision not in ATTENTION.precisions:
        pytest.skip(f"this processor has no instructions for {precision}")
    backend = _open(Bundle.load("demo"), ("onnxruntime", "external_attention"))
    exact, _ = _run(backend)
    backend.attention_precision = precision
    assert np.mean(_run(backend)[0] == exact) > 0.98


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_bf16_throughout_on_the_trained_network(backend):
    pytest.importorskip(backend)
    if "bf16" not in ATTENTION.precisions:
        pytest.skip("this processor has no instructions for bf16")
    precise, rounded = (
        _run(open_backend(Bundle.load("demo").at_precision(at), backend=backend))[0]
        for at in ("fp32", "bf16")
    )
    assert np.mean(precise == rounded) > 0.98


def test_openvino_serves_streams_of_two_sizes(tiny_bundle):
    clip, loaded = load_golden("aott"), Bundle.load(tiny_bundle)
    backend, frame, label = _open(loaded, PATHS[3]), clip.frames[0], clip.label
    large, small = (Segmenter(loaded, backend=backend, long_edge=edge) for edge in (240, 120))
    alone = Segmenter(loaded, backend=_open(loaded, PATHS[0]), long_edge=120)
    for segmenter in (large, small, alone):
        segmenter.start(frame, label)
    for frame in clip.frames[1:4]:
        large.step(frame)
        assert np.mean(small.step(frame).label == alone.step(frame).label) > 0.999


def test_a_bundle_of_one_plan_runs_in_it(tiny_bundle):
    loaded = Bundle.load(tiny_bundle)
    plans = {"whole": loaded.manifest.plans["whole"]}
    whole = Bundle(loaded.path, loaded.manifest.model_copy(update={"plans": plans}))
    with open_backend(whole) as backend:
        assert backend.plan_name == "whole"
        assert not backend.external_attention
    with pytest.raises(OptionError, match="cannot run this bundle in bf16"):
        open_backend(whole.at_precision("bf16"), backend="onnxruntime")


def test_numpy_kernels_run_the_whole_graph_unless_told_otherwise(tiny_bundle):
    with open_backend(Bundle.load(tiny_bundle), kernels="numpy") as backend:
        assert (backend.kernels.name, backend.plan_name) == ("numpy", "whole")


def test_attention_has_no_bound_on_memory_frames(tiny_bundle):
    """Scoring has one; the policy `none` scores nothing."""
    loaded, clip = Bundle.load(tiny_bundle), load_golden("aott")
    backend = _open(loaded, PATHS[1])
    segmenter = Segmenter(loaded, backend=backend, policy="none", capacity=2, gap=1, long_edge=clip.long_edge)
    segmenter.start(clip.frames[0], clip.label)
    for i in range(MAX_SLOTS + 3):
        result = segmenter.step(clip.frames[1 + i % (len(clip.frames) - 1)])
    assert len(result.memory[0].frames) == MAX_SLOTS + 4


@pytest.mark.parametrize(
    ("precision", "backend", "said"),
    [("bf16", "onnxruntime", "nothing computes in bf16"), ("fp32", "openvino", "does not run on cuda")],
)
def test_what_is_for_the_cpu_is_refused_on_a_gpu(precision, backend, said, tiny_bundle):
    loaded = Bundle.load(tiny_bundle).at_precision(precision)
    with pytest.raises(BackendError, match=said):
        open_backend(loaded, device="cuda", backend=backend)
