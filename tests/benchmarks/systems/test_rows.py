"""Other systems in the table: what a user types, sees and reads in the report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ermu.benchmarks.candidates.system import SystemCandidate
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.peer import PeerOptions
from ermu.benchmarks.report.report import Report
from ermu.benchmarks.report.table import markdown_table
from ermu.cli import app
from ermu.errors import DependencyError, OptionError
from ermu.registries import PEERS
from ermu.runtime.bundle.bundle import Bundle
from tests.benchmarks.systems.clips import frames_of, label_of
from tests.test_extras import PROJECT

SYSTEMS = ("sam2-transformers", "sam2-compile", "edgetam-transformers", "cutie")
SETUP = ["--size", "65x97", "--frames", "2", "--warmup", "0", "--objects", "2", "--threads", "1"]


def test_rows_of_other_systems(tiny_bundle: Path, folder: Path, tmp_path: Path) -> None:
    """SAM 2.1 with weights, Cutie with random ones: times of both, J where it means something."""
    pytest.importorskip("cutie.model.cutie", reason="rf-cutie is not installed (ermu[cutie])")
    peers = ["--against", f"onnxruntime,sam2-transformers={folder},cutie"]
    written = tmp_path / "report.json"
    command = ["bench", "--bundle", str(tiny_bundle), *SETUP, *peers, "--json", str(written)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = Report.load(written)
    assert report.peers["sam2-transformers"].network == "SAM 2 of sam2.1-small"
    assert set(report.samples) == {"ours", "onnxruntime", "sam2-transformers", "cutie"}
    assert set(report.speedup) == {"onnxruntime", "sam2-transformers", "cutie"}
    assert set(report.agreement) == set(report.same_evictions) == {"onnxruntime"}
    assert set(report.accuracy) == {"ours", "onnxruntime", "sam2-transformers"}
    assert report.rivals == ["onnxruntime"]
    assert "sam2-transformers: SAM 2 of sam2.1-small, 128x128, 7 memory frames" in result.output
    assert "cutie: Cutie-base, random weights (its label maps mean nothing), 65x97" in result.output
    last = markdown_table([report]).splitlines()[-1].split("|")[-2].strip()
    assert last == f"fp32: {_ms(report.peers['cutie'].cycle_ms)} ms, {report.speedup['cutie']:.2f}x"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def test_no_frame_is_timed_before_the_memory_is_full(folder: Path) -> None:
    """Of two frames and a warm-up of three, where 17 are needed; the last is shown 12 times more."""
    opened = PEERS.get("sam2-transformers").open(PeerOptions(Bundle.load("demo"), 1, 2, weights=folder))
    candidate = SystemCandidate("sam2-transformers", "", "fp32", 5, opened.settles, opened)
    frames, hw = frames_of(5, (128, 128)), (128, 128)
    candidate.fill(frames[:2], label_of(hw), warmup=3)
    assert opened._frame == 13
    candidate.run(frames[2:], timed=False)
    assert opened._frame == 16
    assert candidate.samples().step_ms == []
    candidate.run(frames[:1], timed=True)
    assert candidate.samples().memory == [True]
    assert candidate.figures().step_ms.p50 > 0


@pytest.mark.parametrize("peer", SYSTEMS)
def test_a_missing_package_is_named_with_its_command(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = PEERS.get(peer)
    for package in known.needs:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=rf"The peer {peer} needs .*\n.*ermu\[{known.extra}\]"):
        known.open(PeerOptions(Bundle.load("demo"), 1, 9))
    assert known.extra in PROJECT["optional-dependencies"]


def test_another_torchs_torchvision_is_named(tmp_path: Path) -> None:
    """What the index's torchvision says beside torch's CPU build; transformers hides it behind others."""
    pytest.importorskip("transformers", reason="transformers is not installed (ermu[sam2])")
    package, about = tmp_path / "torchvision", tmp_path / "torchvision-0.28.0.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n")
    script = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from ermu.benchmarks.systems.loading import SAM2\nSAM2.load(None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "BenchmarkError: transformers cannot load SAM 2.1 hiera-tiny here" in done.stderr
    assert "operator torchvision::nms does not exist" in done.stderr
    assert "pip install torchvision --index-url https://download.pytorch.org/whl/cpu" in done.stderr


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ("onnxruntime=weights.pth", "takes no weights of its own"),
        ("cutie=", "names no weights"),
        ("cutie,cutie=weights.pth", "given twice"),
    ],
)
def test_weights_that_no_peer_takes_are_refused_before_anything_runs(against: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        CliRunner().invoke(app, ["bench", "--against", against], catch_exceptions=False)


def test_options_of_another_process_name_the_same_weights() -> None:
    options = BenchOptions("demo", against=("openvino", "cutie=~/cutie.pth"))
    peers = BenchOptions.from_json(options.to_json()).peers
    assert [(peer.name, peer.weights) for peer in peers] == [
        ("openvino", None),
        ("cutie", Path("~/cutie.pth").expanduser()),
    ]
