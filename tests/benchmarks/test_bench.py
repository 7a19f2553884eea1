"""A tiny real run: what the report says, and that ours and the peers agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ermu.benchmarks.bench import run_bench
from ermu.benchmarks.candidates.candidate import summarise
from ermu.benchmarks.clip import scene_clip
from ermu.benchmarks.measures.resident import measure_resident_mb
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.peer import PeerOptions
from ermu.benchmarks.plan import Plan
from ermu.benchmarks.report.report import Report, Samples
from ermu.cli import app
from ermu.cli.sizes import parse_size
from ermu.errors import BenchmarkError, OptionError
from ermu.registries import PEERS
from ermu.runtime.bundle.bundle import Bundle
from tests.support.toy.bundle import write_toy

TINY = ["--size", "49x65", "--frames", "2", "--warmup", "0", "--objects", "2", "--threads", "1"]


def _bench(*arguments: object) -> None:
    result = CliRunner().invoke(app, ["bench", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def demo_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo bundle against two peers, a stream with overlay and a plot."""
    folder = tmp_path_factory.mktemp("bench")
    setup = ["--bundle", "demo", "--size", "97x129", "--gap", "5", "--frames", "6", "--warmup", "2"]
    peers = ["--against", "torch-best,torch-published,onnxruntime"]
    _bench(*setup, *peers, "--overlay", "--json", folder / "demo.json", "--plot", folder / "demo.png")
    return folder / "demo.json"


def test_the_report_has_every_figure(demo_json: Path) -> None:
    content = json.loads(demo_json.read_text())
    for field in ("machine", "versions", "stages_ms", "gflop_per_frame", "gemm_peak_gflops", "peak_rss_mb"):
        assert content[field], field
    times = {"p50", "p90", "p99", "steady", "memory"}
    assert set(content["step_ms"]) == times
    peers = {"torch-best", "torch-published", "onnxruntime"}
    for name in peers:
        assert set(content["peers"][name]["step_ms"]) == times
    for field in ("speedup", "agreement", "same_evictions"):
        assert set(content[field]) == peers


def test_whole_gap_cycles_are_timed_with_the_memory_full(demo_json: Path) -> None:
    """Six frames asked for are ten of gap 5; the bank of 9 evicts on every append."""
    report = Report.load(demo_json)
    assert (report.setup.frames, report.setup.warmup, report.setup.memory) == (10, 5, 9)
    assert report.setup.network_size == (97, 129)
    for samples in report.samples.values():
        assert samples.memory == [False, False, False, False, True] * 2
        assert len(samples.step_ms) == 10
        assert len(samples.stages_ms["score"]) == 2
    assert report.evictions == 3


def test_ours_agrees_with_the_published_network(demo_json: Path) -> None:
    report = Report.load(demo_json)
    for name, share in report.agreement.items():
        assert share >= 0.999, name
        assert report.same_evictions[name], name


def test_labels_are_as_good_as_the_published_networks(demo_json: Path) -> None:
    """The scene's labels are known; ten objects in a small picture are hard, and as hard for everybody."""
    accuracy = Report.load(demo_json).accuracy
    assert accuracy["ours"] > 0.3
    assert accuracy["torch-best"] == pytest.approx(accuracy["ours"], abs=0.01)


def test_figures_follow_from_the_raw_samples(demo_json: Path) -> None:
    report = Report.load(demo_json)
    ours, theirs = (np.array(report.samples[n].step_ms) for n in ("ours", "torch-published"))
    cycles = [np.median(steps.reshape(2, 5).mean(1)) for steps in (ours, theirs)]
    assert report.speedup["torch-published"] == pytest.approx(cycles[1] / cycles[0], rel=1e-6)
    assert report.step_ms.p50 == pytest.approx(np.median(ours))
    peak = report.gemm_peak_gflops.fp32
    assert report.floor_share["overall"] == pytest.approx(report.gflop_per_frame / peak * 1e3 / cycles[0])


def test_the_pipeline_wrote_labels_and_overlay(demo_json: Path) -> None:
    sustained = Report.load(demo_json).sustained
    assert sustained is not None
    assert sustained.sinks == ("labels", "overlay")
    assert sustained.frames == 10  # frames noted after the first: 9 + 5 + 10 in all
    assert demo_json.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_scaling_tables(tiny_bundle: Path, tmp_path: Path) -> None:
    axes = ["--scale", "memory", "--scale", "streams", "--scale", "lanes"]
    _bench("--bundle", tiny_bundle, *TINY, *axes, "--json", tmp_path / "tiny.json")
    tables = Report.load(tmp_path / "tiny.json").scaling
    assert [row.value for row in tables["memory"]] == [f"T = {t}" for t in range(1, 10)]
    assert tables["memory"][0].step_ms.memory is None  # nothing can be appended to a bank of one
    assert all(row.step_ms.memory is not None for row in tables["memory"][1:])
    assert [row.value for row in tables["streams"]] == ["1", "2", "4"]
    assert [row.value for row in tables["lanes"]] == ["1", "2", "4"]
    assert tables["streams"][0].relative == tables["lanes"][0].relative == 1


def test_fifty_objects_are_fifty_in_the_first_frame() -> None:
    """Also those that others hide there."""
    clip = scene_clip(BenchOptions("demo", size=(97, 129), objects=50), 1)
    assert clip.objects == 50


def test_resident_memory_is_taken_without_torch_and_onnx(tiny_bundle: Path) -> None:
    options = BenchOptions(str(tiny_bundle), size=(49, 65), objects=2, threads=1).to_json()
    script = (
        "import sys\nfor name in ('torch', 'onnx', 'openvino'): sys.modules[name] = None\n"
        f"sys.argv = ['resident', {options!r}]\nfrom ermu.benchmarks.measures.resident import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 50 < json.loads(done.stdout)["peak_rss_mb"] < 400


def test_resident_memory_counts_what_the_process_touched() -> None:
    """200 MB more than before, whatever the parent of the process had."""
    script = (
        "from ermu.benchmarks.measures.resident import peak_rss_mb\nbefore = peak_rss_mb()\n"
        "block = bytearray(b'x') * 200_000_000\nprint(peak_rss_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(200, abs=8)


def test_what_the_resident_process_objects_to_is_passed_on(tiny_bundle: Path) -> None:
    options = BenchOptions(str(tiny_bundle), size=(49, 65), objects=2, threads=1, policy="oldest")
    with pytest.raises(BenchmarkError, match="oldest"):
        measure_resident_mb(options)


def test_summary_tells_steady_from_memory_frames() -> None:
    steps = [10.0, 10.0, 40.0, 12.0, 12.0, 30.0]
    samples = Samples(step_ms=steps, memory=[False, False, True] * 2, stages_ms={"encode": [1.0, 3.0]})
    figures = summarise(samples, 3, "by hand", "fp32")
    assert (figures.step_ms.p50, figures.step_ms.steady, figures.step_ms.memory) == (12, 11, 35)
    assert figures.cycle_ms == pytest.approx((20 + 18) / 2)
    assert figures.fps == pytest.approx(6000 / 114)
    assert figures.stages_ms["encode"].p50 == 2


def test_what_cannot_be_measured_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(OptionError, match="Cannot read the size"):
        parse_size("353")
    with pytest.raises(OptionError, match="--frames 0"):
        BenchOptions("demo", frames=0)
    with pytest.raises(OptionError, match="Both"):
        BenchOptions("demo", source="clip.mp4", size=(97, 129))
    with pytest.raises(BenchmarkError, match="weights"):
        PEERS.get("torch-published").open(PeerOptions(Bundle.load(tiny_bundle), threads=1, memory=4))


@pytest.mark.parametrize("option", [["--against", "caffe"], ["--scale", "price"]])
def test_unknown_names_are_refused_before_anything_runs(option: list[str]) -> None:
    with pytest.raises(OptionError, match=r"Unknown peer|Nothing scales"):
        CliRunner().invoke(app, ["bench", *option], catch_exceptions=False)


def test_a_network_that_follows_every_object_by_itself(tmp_path: Path) -> None:
    """By its own policy, with the memory full: one frame with a prompt, three others, and six pointers.

    Seven frames are needed until one has read them all: four, two of them again, and the warm-up.
    """
    toy = write_toy(tmp_path / "toy")
    options = BenchOptions(str(toy.path), objects=3, frames=4, warmup=1, threads=1, size=(96, 128))
    plan = Plan.of(options)
    assert (plan.policy, plan.memory, plan.gap) == ("fifo", 4, 1)
    report = run_bench(options)
    assert (report.setup.policy, report.setup.memory, report.setup.objects) == ("fifo", 4, 3)
    assert report.evictions == 3 * (2 + 1 + 4) and set(report.work) == {"encode", "propagate", "memorize"}


@pytest.mark.parametrize("peer", ["torch-best", "torch-compile", "torch-published"])
def test_peers_that_do_not_serve_such_a_network(tmp_path: Path, peer: str) -> None:
    """Said before anything is measured, and before a checkpoint is asked for."""
    toy = write_toy(tmp_path / "toy")
    with pytest.raises(OptionError, match=f"{peer} does not serve the network toy") as raised:
        run_bench(BenchOptions(str(toy.path), against=("onnxruntime", peer)))
    able = str(raised.value.expected).split(", ")
    assert {"onnxruntime", "openvino", "sam2-transformers"} <= set(able)
    assert not any(name.startswith("torch-") for name in able)
