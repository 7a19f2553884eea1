"""Engines, built for real by TensorRT-RTX, which needs no GPU."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ermu.devices.tensorrt_module import MessageLog, load_tensorrt
from ermu.errors import BackendError, BundleError, OptionError
from ermu.export.engines.build_log import BuildLog
from ermu.export.engines.builder import BuildOptions, _configured, build_engine, parse_graph
from ermu.export.engines.building import build_engines
from ermu.export.engines.profiles import profiles_of
from ermu.runtime.bundle.built import Profile
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import find_engine, read_engine
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.files import sha256_of
from tests.export.precision.precision_bundles import float16_of, with_precision
from tests.support.zoo.run import zoo_bundle

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'ermu[rtx-build]'")

NETWORKS = ["aott", "r50_aotl", "r50_deaotl"]
FUSED = {("aott", "fp16"): 3, ("r50_aotl", "fp16"): 9}  # attentions of `propagate`; DeAOT has none
TARGETS = ["sm86", "sm89", "sm120", "portable"]
SIZE = (353, 641)
SMALL = {"module": "tensorrt-rtx", "sizes": [(97, 129)]}


@pytest.fixture
def tiny(tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


@pytest.fixture(scope="module")
def built(tiny_bundle, tmp_path_factory) -> Bundle:
    path = shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("built") / "tiny")
    build_engines(path, **SMALL, targets=["sm86", "portable"])
    return Bundle.load(path)


@pytest.fixture(scope="module")
def at_precision(bundle):
    def at(name: str, precision: str) -> Bundle:
        return Bundle.load(bundle(name)) if precision == "fp32" else float16_of(name, bundle(name))

    return at


def _profile(size: tuple[int, int], frames: int, groups: int = 5) -> Profile:
    return Profile(size=size, frames=frames, most=(("G", groups), ("T", frames)))


def _contents(path: Path) -> dict[str, str]:
    files = (file for file in path.rglob("*") if file.is_file() and file.name != ".lock")
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_graph_parses_whole_with_the_manifests_tensors(name, precision, at_precision):
    at = at_precision(name, precision)
    module = load_tensorrt("tensorrt-rtx")
    trt, log = module.trt, MessageLog(module)
    builder = trt.Builder(log.logger)
    for graph in at.manifest.plans[WHOLE].graphs:
        info = at.manifest.graphs[graph]
        network = parse_graph(module, builder, log, at, graph)
        inputs = [network.get_input(i) for i in range(network.num_inputs)]
        outputs = [network.get_output(i) for i in range(network.num_outputs)]
        for wanted, found in ((info.inputs, inputs), (info.outputs, outputs)):
            expected = {t.name: (t.dtype, len(t.shape)) for t in wanted}
            assert {t.name: (np.dtype(trt.nptype(t.dtype)).name, len(t.shape)) for t in found} == expected


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("aott", TARGETS),
        ("r50_aotl", ["sm89"]),
        ("r50_deaotl", ["sm89"]),
        *(pytest.param(name, TARGETS, marks=pytest.mark.long) for name in ("r50_aotl", "r50_deaotl")),
    ],
)
def test_every_graph_builds_for_every_target(name, targets, precision, at_precision, tmp_path):
    logs = _build_all(at_precision(name, precision), targets, tmp_path)
    fused = FUSED.get((name, precision), 0)
    assert {logs["propagate", target].fused_attentions for target in targets} == {fused}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "size", "fused"),
    [
        ("r50_aotl", SIZE, 6),
        ("r50_deaotl", SIZE, 0),
        ("swinb_aotl", (352, 640), 6),
        ("swinb_deaotl", (352, 640), 0),
    ],
)
def test_zoo_networks_build_in_half_precision(name, size, fused, tmp_path):
    at = float16_of(f"zoo_{name}", zoo_bundle(name).path)
    logs = _build_all(at, ["sm89"], tmp_path, size=size)
    assert logs["propagate", "sm89"].fused_attentions == fused


def test_attention_in_half_precision_is_fused(at_precision, tmp_path):
    """R50-AOTL: three attentions a block in three blocks, none of whose weights is ever in memory."""
    half, full = (
        _build_all(at_precision("r50_aotl", precision), ["portable"], tmp_path, ["propagate"])
        for precision in ("fp16", "fp32")
    )
    half_log, full_log = half["propagate", "portable"], full["propagate", "portable"]
    assert (half_log.fused_attentions, full_log.fused_attentions) == (9, 0)
    grid = 23 * 41  # of 353x641
    weights = 5 * 8 * grid * 9 * grid * 2  # 5 groups, 8 heads, halves: every token against all of 9 memories
    assert half_log.activation_bytes < weights < full_log.activation_bytes


def _build_all(
    at: Bundle,
    targets: list[str],
    folder: Path,
    graphs: Sequence[str] = (),
    size: tuple[int, int] = SIZE,
) -> dict[tuple[str, str], BuildLog]:
    logs, module, options = {}, load_tensorrt("tensorrt-rtx"), BuildOptions((_profile(size, 9),))
    for graph in graphs or at.manifest.plans[WHOLE].graphs:
        for target in targets:
            out = folder / "engine"
            logs[graph, target] = build_engine(module, at, graph, target, options, out)
            assert out.stat().st_size > 10_000, f"{graph} for {target}"
    return logs


def test_int8_builds(tiny_bundle, tmp_path):
    at = with_precision(tiny_bundle, tmp_path / "tiny", "int8")
    report = build_engines(at.path, **SMALL, precision="int8")
    assert {info.precision for info in report.built} == {"int8"}


def test_profiles_run_from_one_memory_frame_to_the_capacity(built):
    from ermu.export.engines.builder import _shaped

    module = load_tensorrt("tensorrt-rtx")
    builder = module.trt.Builder(MessageLog(module).logger)
    shaped = _shaped(builder, built, "propagate", _profile((97, 129), 4))
    width = next(t.shape[-1] for t in built.manifest.graphs["propagate"].inputs if t.name == "key0")
    least, typical, most = (tuple(shape) for shape in shaped.get_shape("key0"))
    assert least == (1, 1, 7, 9, width)
    assert typical == most == (5, 4, 7, 9, width)


def test_engines_join_the_bundle(built):
    assert len(built.manifest.engines) == 2 * len(built.manifest.plans[WHOLE].graphs)
    for engine in built.manifest.engines:
        assert sha256_of(built.path / engine.file) == engine.sha256
        assert engine.profiles == (_profile((97, 129), 4, 1), _profile((97, 129), 4))
        assert engine.version == load_tensorrt("tensorrt-rtx").version
    assert not list(built.path.parent.glob(".tiny.*")), "the build left its folder behind"


def test_building_again_does_nothing(built):
    before = _contents(built.path)
    report = build_engines(built.path, **SMALL, targets=["sm86", "portable"])
    assert not report.built and len(report.kept) == len(built.manifest.engines)
    assert _contents(built.path) == before


def test_what_was_built_last_runs(built, tmp_path):
    path = shutil.copytree(built.path, tmp_path / "copy")
    report = build_engines(path, **SMALL, targets=["sm86"], max_objects=10)
    here = {"module": "tensorrt-rtx", "version": report.built[0].version, "target": "sm86"}
    assert find_engine(Bundle.load(path), "decode", **here) in report.built
    assert find_engine(built, "decode", **here) not in report.built


def test_a_damaged_engine_is_built_again(built, tmp_path):
    path = shutil.copytree(built.path, tmp_path / "tiny")
    victim = built.manifest.engines[0]
    (path / victim.file).write_bytes(b"")
    report = build_engines(path, **SMALL, targets=["sm86", "portable"])
    assert [(info.graph, info.target) for info in report.built] == [(victim.graph, victim.target)]


def test_builds_at_the_same_time_keep_each_others_engines(tiny):
    spawn = multiprocessing.get_context("spawn")
    builds = [spawn.Process(target=_build, args=(tiny, target)) for target in ("sm86", "sm89")]
    for build in builds:
        build.start()
    for build in builds:
        build.join(120)
        assert build.exitcode == 0
    engines = Bundle.load(tiny).manifest.engines
    assert {(e.graph, e.target) for e in engines} == {
        (graph, target)
        for graph in Bundle.load(tiny).manifest.plans[WHOLE].graphs
        for target in ("sm86", "sm89")
    }
    assert all(sha256_of(tiny / e.file) == e.sha256 for e in engines)


def _build(path: Path, target: str) -> None:
    build_engines(path, **SMALL, targets=[target])


def test_an_unsupported_op_is_named_and_the_bundle_left_as_it_was(tiny):
    _plant_non_zero(tiny)
    before = _contents(tiny)
    with pytest.raises(BackendError) as caught:
        build_engines(tiny, **SMALL)
    assert "decode" in caught.value.problem
    assert "'planted' (NonZero)" in caught.value.problem
    assert _contents(tiny) == before
    assert not list(tiny.parent.glob(".tiny.*"))


def _plant_non_zero(path: Path) -> None:
    """Adds a NonZero behind the decoder's input and keeps the manifest true."""
    file = path / "decode.onnx"
    model = onnx.load(file, load_external_data=False)
    model.graph.node.append(helper.make_node("NonZero", ["z"], ["where"], name="planted"))
    model.graph.output.append(helper.make_tensor_value_info("where", TensorProto.INT64, [4, None]))
    onnx.save(model, file)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["graphs"]["decode"]["sha256"] = sha256_of(file)
    (path / "manifest.json").write_text(json.dumps(manifest))


def _find(at: Bundle, **change: str):
    here = {"module": "tensorrt-rtx", "version": load_tensorrt("tensorrt-rtx").version, "target": "sm86"}
    return find_engine(at, "decode", **{**here, **change})


def test_an_engine_for_the_gpu_goes_before_a_portable_one(built):
    assert _find(built).target == "sm86"
    assert _find(built, target="sm120").target == "portable"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "1.0.0.1"}, "installed is 1.0.0.1"),
        ({"module": "tensorrt"}, "none was built"),
    ],
)
def test_a_foreign_engine_is_refused_with_the_command_that_mends_it(built, change, said):
    with pytest.raises(BackendError) as caught:
        _find(built, **change)
    assert said in caught.value.problem
    assert f"ermu build --bundle {built.path}" in str(caught.value.fix)


def test_an_engine_for_another_gpu_is_refused(built):
    engines = tuple(e for e in built.manifest.engines if e.target == "sm86")
    only = Bundle(built.path, built.manifest.model_copy(update={"engines": engines}))
    with pytest.raises(BackendError) as caught:
        _find(only, target="sm120")
    assert "was built for sm86, this GPU is sm120" in caught.value.problem
    assert "--size 97x129 --max-memory 4" in str(caught.value.fix)


@pytest.mark.parametrize("target", ["sm75", "sm80", "sm121"])
def test_a_portable_engine_is_for_three_kinds_of_gpu(built, target):
    engines = tuple(e for e in built.manifest.engines if e.target == "portable")
    only = Bundle(built.path, built.manifest.model_copy(update={"engines": engines}))
    assert [_find(only, target=known).target for known in ("sm86", "sm89", "sm120")] == ["portable"] * 3
    with pytest.raises(BackendError) as caught:
        _find(only, target=target)
    assert f"is portable, which is sm86, sm89, sm120, this GPU is {target}" in caught.value.problem
    assert f"--engine tensorrt-rtx --precision fp32 --sm {target[2:]} --size 97x129" in str(caught.value.fix)


def test_engines_use_memory_that_they_are_given():
    """Or no CUDA graph can be recorded of them."""
    module = load_tensorrt("tensorrt-rtx")
    builder = module.trt.Builder(MessageLog(module).logger)
    config = _configured(module, builder, "portable", BuildOptions((_profile(SIZE, 9),)))
    assert config.get_flag(module.trt.BuilderFlag.REQUIRE_USER_ALLOCATION)


def test_an_engine_of_another_precision_is_refused(built):
    other = Bundle(built.path, built.manifest.model_copy(update={"precision": "fp16"}))
    with pytest.raises(BackendError, match="is fp32, not fp16"):
        _find(other)


@pytest.mark.parametrize(
    ("keep", "said"), [(1000, "has 1000 bytes of"), (None, "is missing"), (0, "altered")]
)
def test_a_damaged_engine_is_refused_before_it_is_deserialised(built, tmp_path, keep, said):
    at = Bundle.load(shutil.copytree(built.path, tmp_path / "tiny"))
    engine = _find(at)
    file = at.path / engine.file
    content = file.read_bytes()
    file.unlink()
    if keep is not None:
        file.write_bytes(content[:keep] if keep else content[:-1] + b"!")
    with pytest.raises(BackendError) as caught:
        read_engine(at, engine)
    assert said in caught.value.problem
    assert "ermu build --bundle" in str(caught.value.fix)


@pytest.mark.parametrize(("objects", "groups"), [(None, [1, 5]), (50, [1, 5]), (21, [1, 3]), (10, [1])])
def test_profiles_are_for_as_many_groups_as_objects_need(objects, groups, tiny_bundle):
    profiles = profiles_of(Bundle.load(tiny_bundle), [(97, 129)], 4, objects)
    assert [dict(profile.most)["G"] for profile in profiles] == groups


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sizes": []}, "takes any size"),
        ({"sizes": [(100, 100)]}, "does not fit"),
        ({"targets": ["sm52"]}, "does not build for sm52"),
        ({"max_memory": 1}, "too few"),
        ({"precision": "fp16"}, "has no fp16 graphs"),
    ],
)
def test_senseless_requests(tiny_bundle, arguments, said):
    with pytest.raises((OptionError, BundleError), match=said):
        build_engines(tiny_bundle, **{**SMALL, **arguments})


def test_tensorrt_rtx_has_no_timing_cache(tiny, tmp_path):
    with pytest.raises(BackendError, match="no use for a timing cache"):
        build_engines(tiny, **SMALL, timing_cache=tmp_path / "timings")
