"""Engines of networks that follow every object by itself, built for real by TensorRT-RTX without a GPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ermu.devices.tensorrt_module import MessageLog, load_tensorrt
from ermu.export.engines.builder import BuildOptions, build_engine, parse_graph
from ermu.export.engines.building import build_engines
from ermu.export.engines.profiles import profiles_of
from ermu.export.precision.clip import procedural_clip
from ermu.export.precision.conversion import add_precision
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE

RTX = "tensorrt-rtx"
pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'ermu[rtx-build]'")
pytest.importorskip("transformers")


@pytest.fixture
def own(sam2_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(sam2_bundle, tmp_path / "sam2"))


def test_every_graph_parses_with_the_manifests_tensors(sam2_bundle):
    """`parse_graph` compares them; of the decoder's graphs TensorRT takes no index of a single axis."""
    bundle, module = Bundle.load(sam2_bundle), load_tensorrt(RTX)
    for graph in bundle.manifest.plans[WHOLE].graphs:
        log = MessageLog(module)
        assert parse_graph(module, module.trt.Builder(log.logger), log, bundle, graph) is not None


def test_what_varies_is_free_in_an_engine(sam2_bundle, tmp_path):
    """Capacity 3: two frames without a prompt and eight with one; 15 pointers and eight; clicks."""
    bundle, module = Bundle.load(sam2_bundle), load_tensorrt(RTX)
    (profile,) = profiles_of(bundle, (), 3)
    assert str(profile) == "128x128 T 1-10, P 1-23, K 1-64"
    build_engine(module, bundle, "recall", "portable", BuildOptions((profile,)), tmp_path / "engine")
    assert (tmp_path / "engine").stat().st_size > 100_000


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_all_engines_join_the_bundle(precision, own):
    add_precision(own, precision, clip=procedural_clip(frames=3, objects=1))
    report = build_engines(own, module=RTX, precision=precision)
    graphs = set(Bundle.load(own).manifest.plans[WHOLE].graphs)
    assert {info.graph for info in report.built} == graphs
    assert {info.precision for info in report.built} == {precision}
    again = build_engines(own, module=RTX, precision=precision)
    assert not again.built and len(again.kept) == len(graphs)
