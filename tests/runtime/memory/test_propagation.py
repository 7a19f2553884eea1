"""Every way to run a bundle on the CPU, against golden results and against the plain graphs."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import BackendError, BundleError
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeCpuBackend
from ermu.runtime.backends.libraries.openvino import OpenVinoBackend
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import MAX_SCORED_CAPACITY, Segmenter
from ermu.scenes.catalogue import demo_scene
from ermu.scenes.scene import Scene
from tests.golden_data import load_golden
from tests.golden_run import compare

ATTENTION = load_kernels().attention
PATHS = {
    "onnxruntime, whole": lambda bundle: OnnxRuntimeCpuBackend(bundle),
    "onnxruntime, parts": lambda bundle: OnnxRuntimeCpuBackend(bundle, attention=ATTENTION),
    "openvino, whole": lambda bundle: OpenVinoBackend(bundle),
    "openvino, parts": lambda bundle: OpenVinoBackend(bundle, attention=ATTENTION),
}


def _needs(path: str) -> None:
    if path.startswith("openvino"):
        pytest.importorskip("openvino")


@pytest.mark.parametrize("name", ["r50_aotl", "r50_deaotl", "aott", "deaott"])
@pytest.mark.parametrize("path", PATHS)
def test_golden_results_on_every_path(name, path, bundle):
    _needs(path)
    clip, loaded = load_golden(name), Bundle.load(bundle(name, "float32"))
    options = {"capacity": clip.capacity, "gap": clip.gap, "long_edge": clip.long_edge}
    found = compare(Segmenter(loaded, backend=PATHS[path](loaded), **options), clip, golden_masks=True)
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
def test_parts_follow_every_policy_as_the_whole_graph_does(policy):
    paths = ("onnxruntime, whole", "onnxruntime, parts")
    whole, parts = (_run(PATHS[path](Bundle.load("demo")), policy=policy, capacity=4) for path in paths)
    assert np.mean(whole[0] == parts[0]) > 0.999
    assert whole[1] == parts[1]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_attention_in_fewer_bits_on_the_trained_network(precision):
    if precision not in ATTENTION.precisions:
        pytest.skip(f"this processor has no instructions for {precision}")
    backend = PATHS["onnxruntime, parts"](Bundle.load("demo"))
    exact, _ = _run(backend)
    backend.recall_precision = precision
    assert np.mean(_run(backend)[0] == exact) > 0.98


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_bf16_throughout_on_the_trained_network(engine):
    _needs(engine)
    if "bf16" not in ATTENTION.precisions:
        pytest.skip("this processor has no instructions for bf16")
    precise, rounded = (
        _run(open_backend(Bundle.load("demo").at_precision(at), engine=engine))[0] for at in ("fp32", "bf16")
    )
    assert np.mean(precise == rounded) > 0.98


def test_openvino_serves_streams_of_two_sizes(tiny_bundle):
    pytest.importorskip("openvino")
    clip, loaded = load_golden("aott"), Bundle.load(tiny_bundle)
    backend, frame, label = PATHS["openvino, parts"](loaded), clip.frames[0], clip.label
    large, small = (Segmenter(loaded, backend=backend, long_edge=edge) for edge in (240, 120))
    alone = Segmenter(loaded, backend=PATHS["onnxruntime, whole"](loaded), long_edge=120)
    for segmenter in (large, small, alone):
        segmenter.start(frame, label)
    for frame in clip.frames[1:4]:
        large.step(frame)
        assert np.mean(small.step(frame).label == alone.step(frame).label) > 0.999


def test_an_older_bundle_runs_in_one_graph(tiny_bundle):
    loaded = Bundle.load(tiny_bundle)
    older = Bundle(loaded.path, loaded.manifest.model_copy(update={"format_version": 2, "split": {}}))
    with open_backend(older) as backend:
        assert backend.attention is None
    with pytest.raises(BackendError, match="Nothing here computes in bf16"):
        open_backend(older.at_precision("bf16"))
    with pytest.raises(BundleError, match="in one piece only"):
        older.in_parts()


def test_capacity_of_the_kernels_and_of_parts(tiny_bundle):
    """Parts have no bound of their own on the number of memory frames."""
    loaded, clip = Bundle.load(tiny_bundle), load_golden("aott")
    backend = PATHS["onnxruntime, parts"](loaded)
    segmenter = Segmenter(loaded, backend=backend, policy="none", capacity=2, gap=1, long_edge=clip.long_edge)
    segmenter.start(clip.frames[0], clip.label)
    for i in range(MAX_SCORED_CAPACITY + 3):
        result = segmenter.step(clip.frames[1 + i % (len(clip.frames) - 1)])
    assert len(result.memory[0].frames) == MAX_SCORED_CAPACITY + 4


@pytest.mark.parametrize(("precision", "engine"), [("bf16", "onnxruntime"), ("fp32", "openvino")])
def test_what_is_for_the_cpu_is_refused_on_a_gpu(precision, engine, tiny_bundle):
    loaded = Bundle.load(tiny_bundle).at_precision(precision)
    with pytest.raises(BackendError, match="for the CPU"):
        open_backend(loaded, device="cuda", engine=engine)
