"""`ermu doctor` on this machine as it is, and on bundles that are broken in known ways."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from importlib.metadata import metadata, version
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ermu.cli.commands.doctor import doctor
from ermu.runtime.doctor import Check, examine
from ermu.runtime.files import sha256_of
from tests.support.gpu import no_gpu

GPU = no_gpu() is None


@pytest.fixture
def tiny(tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


@pytest.fixture(scope="module")
def command():
    app = typer.Typer()
    app.command()(doctor)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def _by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def _add_engine(path: Path, **change) -> None:
    """Lists an engine file of three bytes in the manifest."""
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "engines").mkdir()
    (path / "engines" / "e.engine").write_bytes(b"abc")
    engine = {
        "graph": "encode",
        "graph_sha256": manifest["graphs"]["encode"]["sha256"],
        "module": "tensorrt-rtx",
        "version": version("tensorrt-rtx-cu13") if find_spec("tensorrt_rtx") else "1",
        "target": "portable",
        "precision": "fp32",
        "profiles": [{"size": [97, 129], "frames": 4, "most": [["G", 5], ["T", 4]]}],
        "file": "engines/e.engine",
        "sha256": sha256_of(path / "engines" / "e.engine"),
        "size_bytes": 3,
        "build_seconds": 1.0,
    }
    manifest["engines"] = [{**engine, **change}]
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_what_this_suite_needs_is_ok():
    found = _by_name(examine())
    assert {found[name].state for name in ("python", "opencv", "onnxruntime")} == {"ok"}
    assert version("onnxruntime") in found["onnxruntime"].found


def test_backends_are_tried_and_not_only_found():
    found = _by_name(examine())
    assert found["backend onnxruntime"].found == "ran a tiny graph through CPUExecutionProvider, on cpu"
    assert found["backend openvino"].found == "compiled and ran a tiny graph, on cpu"


def test_a_backend_that_is_there_and_does_not_run(monkeypatch):
    """Its library opens anything and computes nothing."""
    import onnxruntime

    class Session(onnxruntime.InferenceSession):
        def run_with_iobinding(self, binding):
            pass

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    check = _by_name(examine())["backend onnxruntime"]
    assert check.state == "failed" and "came out as [nan, nan, nan, nan]" in check.found
    assert "--force-reinstall" in str(check.fix)


def test_every_extra_is_named():
    """From the packages' own metadata, so that none is forgotten; with a package of it that is missing."""
    found = _by_name(examine())
    extras = set(metadata("ermu").get_all("Provides-Extra"))
    assert extras - set(found) == {
        *("headless", "window", "cpu", "openvino"),  # opencv, onnxruntime, backend openvino
        *("cuda12", "cuda13", "gpu", "tensorrt", "rtx", "rtx-build"),  # where there is a GPU
        *("docs", "dev"),
    }
    assert {"webrtc", "mqtt", "fleet", "live", "hub"} <= set(found)
    assert f"starlette {version('starlette')}" in found["serve"].found
    assert found["webrtc"].state != "ok" or found["webrtc"].found.endswith("all of serve")
    lacking = {
        name for name, check in found.items() if check.group == "video and live" and check.state != "ok"
    }
    for name in lacking:
        assert "not installed" in found[name].found and found[name].fix == f"pip install 'ermu[{name}]'"


def test_an_extra_whose_package_is_missing(monkeypatch):
    wanted = [
        'one>=1; extra == "new"',
        'ermu[more]; extra == "new"',
        'two[x]>=2; python_version > "3" and extra == "more"',
    ]
    monkeypatch.setattr("ermu.runtime.doctor.requires", lambda name: wanted)
    check = _by_name(examine())["new"]
    assert (check.state, check.found) == ("missing", "one, two are not installed")
    assert check.fix == "pip install 'ermu[new]'"


def test_every_line_that_is_not_ok_says_how_to_mend_it():
    for check in examine(device="cuda"):
        assert check.state == "ok" or check.fix, check.name


@pytest.mark.skipif(GPU, reason="there is a GPU here")
def test_a_missing_gpu_matters_only_where_one_is_needed():
    assert not any(check.fails for check in examine())
    found = _by_name(examine(device="cuda"))
    assert found["gpu"].state == "missing" and found["gpu"].fails
    assert "There is no NVIDIA driver" in found["gpu"].found and "nvidia-smi" in str(found["gpu"].fix)
    assert found["cuda kernels"].fails


@pytest.mark.skipif(GPU, reason="there is a GPU here")
def test_one_backend_that_runs_on_cuda_is_needed():
    found = _by_name(examine(device="cuda"))
    assert "no CUDA in this build" in found["onnxruntime"].found
    assert "ermu[gpu]" in str(found["onnxruntime"].fix)
    assert all(check.fails for name, check in found.items() if name.startswith("backend "))


def test_a_whole_bundle(tiny):
    checks = examine(tiny)
    assert _by_name(checks)["bundle"].state == "ok"
    assert not any(check.fails for check in checks)


def test_no_bundle(tmp_path):
    check = _by_name(examine(tmp_path))["bundle"]
    assert check.state == "missing" and check.fails


def test_a_bundle_with_an_altered_graph(tiny):
    (tiny / "encode.onnx").write_bytes(b"no graph")
    check = _by_name(examine(tiny))["bundle"]
    assert check.state == "mismatch" and check.fails
    assert "encode.onnx" in check.found and "ermu export" in str(check.fix)


@pytest.mark.skipif(not find_spec("tensorrt_rtx"), reason="TensorRT-RTX is not installed")
@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({}, "ok", "97x129 G 1-5, T 1-4"),
        ({"version": "0.9"}, "mismatch", "was built by tensorrt-rtx 0.9"),
        ({"size_bytes": 9}, "mismatch", "has 3 bytes of 9"),
        ({"sha256": "0" * 64}, "mismatch", "has been altered"),
        ({"file": "engines/gone.engine"}, "mismatch", "is missing"),
        ({"graph_sha256": "0" * 64}, "mismatch", "another graph"),
    ],
)
def test_engines_against_what_is_installed(tiny, change, state, said):
    _add_engine(tiny, **change)
    check = next(check for check in examine(tiny) if check.name.startswith("engine"))
    assert check.state == state
    assert said in check.found
    if state != "ok":
        assert check.fix == (
            f"ermu build --bundle {tiny} --engine tensorrt-rtx --precision fp32 --size 97x129 --max-memory 4"
        )


@pytest.mark.skipif(bool(find_spec("tensorrt")), reason="TensorRT is installed here")
def test_an_engine_of_a_tensorrt_that_is_not_installed(tiny):
    _add_engine(tiny, module="tensorrt")
    check = next(check for check in examine(tiny) if check.name.startswith("engine"))
    assert check.state == "missing"
    assert check.fix == "pip install 'ermu[tensorrt]'"


def test_the_command_reports_and_exits(command, tiny):
    whole = command("--bundle", str(tiny))
    assert whole.exit_code == 0
    assert "onnxruntime" in whole.output
    (tiny / "decode.onnx").unlink()
    broken = command("--bundle", str(tiny))
    assert broken.exit_code == 1
    assert "mismatch" in broken.output and "-> export the checkpoint again" in broken.output


def test_the_command_as_json(command, tiny):
    result = command("--bundle", str(tiny), "--json")
    report = json.loads(result.output)
    assert report["ok"] is True
    assert report["checks"] == [asdict(check) for check in examine(tiny)]


def test_a_machine_without_a_gpu_is_not_told_what_it_lacks_for_one(command):
    if GPU or Path("/proc/driver/nvidia").exists():
        pytest.skip("there is a GPU, or a driver")
    names = _by_name(examine())
    assert not {"gpu", "cuda kernels", "tensorrt", "backend tensorrt"} & set(names)
    assert {"serve", "scenes", "export", "backend openvino"} <= set(names)
    assert {check.group for check in names.values()} == {"running", "video and live", "making bundles"}
    output = command().output
    assert "missing" not in output and output.splitlines()[-1].startswith("all is well on cpu")
    assert {"gpu", "cuda kernels"} <= set(_by_name(examine(device="cuda")))


def test_what_is_amiss_is_the_last_line(command, tiny):
    (tiny / "decode.onnx").unlink()
    assert command("--bundle", str(tiny)).output.splitlines()[-1].startswith("amiss: bundle")


def test_two_opencvs_over_each_other_are_told(tmp_path, monkeypatch):
    for name in ("opencv-python", "opencv-python-headless"):
        folder = tmp_path / f"{name.replace('-', '_')}-5.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 5.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    (check,) = [check for check in examine() if check.name == "opencv"]
    assert check.state == "mismatch" and check.fails
    assert "opencv-python and opencv-python-headless installed" in check.found
    assert check.fix.startswith(
        "pip uninstall -y opencv-python opencv-python-headless && pip install 'ermu[headless]'"
    )
