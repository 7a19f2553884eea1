"""Every command of the README, in a virtual environment with just the extras that the README names for it.

Cameras, addresses and published checkpoints are replaced by what is at hand, long runs are cut short.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from ermu.runtime.images.labels import write_label_map
from tests.installs.environments import environment
from tests.support.clips import FRAMES, HEIGHT, WIDTH, write_clip
from tests.support.import_graph import ROOT
from tests.support.training import tiny_training

README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SCENE = "scene:7,size=96x160,frames=4,objects=2"
EXPORT = "ermu export --checkpoint AOT_EMFS.pth --out aot_emfs"
EVAL_VIEWS = "ermu eval --flip --scales 1.0,1.3"
RUN = (
    "ermu run --bundle aot_emfs --source video.mp4 --prompt first_frame.png --out result "
    "--sink overlay=result.mp4 --sink trace=result.jsonl"
)
CONVERT = "ermu convert --source result --to coco --out result.json"
TWO_STREAMS = (
    "ermu run --bundle demo --source rtsp://a/1 --source rtsp://b/2 --prompt a.png --prompt b.png "
    "--out result"
)
AGAINST = (
    "ermu bench --bundle aot --checkpoint F.pth --size 353x641 --frames 20 --warmup 5 --against torch-eager "
    "--precision P --backend B"
)
BENCH = "ermu bench --bundle demo --size 241x417 --frames 60 --warmup 10 --overlay"
SCALE = "ermu bench --bundle demo --size 241x417 --frames 30 --warmup 10 --scale memory"
EVAL = "ermu eval --bundle demo --dataset scenes --baseline flow --out runs/scenes"
# Commands as the README has them, and what stands in for what is not at hand.
REPLACED: dict[str, dict[str, str]] = {
    EXPORT: {"AOT_EMFS.pth": "{checkpoint}"},
    "ermu inspect aot_emfs": {},
    RUN: {},
    CONVERT: {},
    TWO_STREAMS: {"result": "two", "rtsp://a/1": SCENE, "rtsp://b/2": SCENE.replace(":7", ":8")},
    "ermu doctor": {},
    EVAL: {"flow": "flow --sequence val-00"},
    EVAL_VIEWS: {"eval": "eval --bundle demo --dataset scenes --sequence val-00 --out runs/views"},
    BENCH: {"60": "3", "10 ": "1 "},
    SCALE: {"30": "2", "10 ": "0 "},
    AGAINST: {
        "aot ": "aot_emfs ",
        "F.pth": "{checkpoint}",
        "353x641": "97x161",
        "20": "3",
        "5 ": "1 ",
        " P": " fp32",
        " B": " onnxruntime",
    },
    "ermu train --config training/configs/demo.yaml": {"training/configs/demo.yaml": "tiny.yaml"},
    "ermu build --precision int8": {"build": "build --bundle aot_emfs --out int8"},
    "ermu build --precision fp16": {"build": "build --bundle aot_emfs --out fp16"},
    "ermu run --precision fp16": {"run": f"run --bundle fp16 --source {SCENE} --out fp16_result"},
}
SERVED = {
    "ermu serve --bundle demo --source rtsp://camera/stream --source 0": {
        "rtsp://camera/stream": "scene:7",
        "--source 0": "--source scene:8",
    },
    "ermu serve --bundle demo --source scene:7,swing": {},
}
NOT_RUN = {
    "ermu eval --bundle demo --dataset scenes --compare-policies --out runs/policies": "takes minutes",
    "ermu export --checkpoint R50_DeAOTL_PRE_YTB_DAV.pth --out r50_deaotl": "the command above it again",
    "ermu export --image-dtype uint8": "an export again, of tests/export/test_bundle_writer.py",
    "ermu bench --bundle B --checkpoint F.pth --size 353x641 --memory 9 --gap 5 --frames 20 --warmup 5 "
    "--against torch-eager --precision fp32 --backend onnxruntime": "AGAINST with other networks",
    "ermu bench": "named, with its options in other lines",
    "ermu export": "named, with its options in another line",
}


def commands() -> list[str]:
    """All of the README, comments and double spaces left out."""
    blocks = [code for language, code in FENCED.findall(README) if not language]
    prose = FENCED.sub("", README)
    table = prose[prose.index("## What to install") : prose.index("## How sure")]
    spans = re.findall(r"`([^`]+)`", prose.replace(table, ""))
    lines = [line for code in [*blocks, *spans] for line in code.splitlines()]
    found = (re.sub(r"\s+", " ", line.split("#")[0]).strip() for line in lines)
    return list(dict.fromkeys(line for line in found if line.startswith("ermu ")))


def extras(command: str) -> str:
    """Those that the README's table names for a command, with those of its options."""
    rows = re.findall(r"^\| (.*`.*) \| (`ermu\[.*) \|$", README, re.MULTILINE)
    needed: set[str] = set()
    for use, install in rows:
        for said, named in zip(use.split(";"), install.split(";"), strict=True):
            words = re.findall(r"`(?:ermu )?([^`]+)`", said)
            fits = [
                word in command if word.startswith("--") else word == command.split()[1] for word in words
            ]
            needed |= set(re.findall(r"\[(.*)\]", named)[0].split(",")) if any(fits) else set()
    return ",".join(sorted(needed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: a user's video, first label maps and a training's config."""
    folder = tmp_path_factory.mktemp("user")
    write_clip(folder / "video.mp4", "libx264")
    for name in ("first_frame", "a", "b"):
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[20:60, 30:90], label[70:90, 100:150] = 1, 2
        write_label_map(folder / f"{name}.png", label)
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path, tiny_checkpoint: Path) -> Path:
    """`aot_emfs`, by the README's first command."""
    made = environment(extras(EXPORT)).run(*_words(EXPORT, checkpoint=tiny_checkpoint), cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder / "aot_emfs"


def _words(command: str, **names: object) -> list[str]:
    for said, instead in {**REPLACED, **SERVED}[command].items():
        command = command.replace(said, instead)
    return shlex.split(command.format(**names))


def done(command: str, folder: Path, **names: object) -> str:
    """What a command of the README printed; nothing of it failed."""
    ran = environment(extras(command)).run(*_words(command, **names), cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def test_every_command_is_accounted_for() -> None:
    assert set(commands()) == {*REPLACED, *SERVED, *NOT_RUN}


def test_extras_are_those_of_the_table() -> None:
    assert extras(RUN) == "cpu,headless" and extras(EXPORT) == "export,headless"
    assert extras(AGAINST) == "bench,cpu,export,headless"
    assert extras("ermu build --engine tensorrt-rtx") == "build,headless,rtx-build"
    assert extras("ermu run --backend openvino") == "cpu,headless,openvino"
    assert all("headless" in extras(command) for command in commands())


def test_a_bundle_is_inspected_and_run(bundle: Path, folder: Path) -> None:
    assert "tiny" in done("ermu inspect aot_emfs", folder)
    done(RUN, folder)
    assert len(list((folder / "result" / "labels").iterdir())) == FRAMES
    assert len((folder / "result.jsonl").read_text().splitlines()) >= FRAMES
    assert cv2.VideoCapture(str(folder / "result.mp4")).read()[0]
    assert "all is well" in done("ermu doctor", folder)


def test_results_are_converted(folder: Path) -> None:
    if not (folder / "result").exists():  # of the test above
        (folder / "result" / "labels").mkdir(parents=True)
        shutil.copy(folder / "a.png", folder / "result" / "labels" / "00000.png")
    assert "objects -> result.json" in done(CONVERT, folder)


def test_two_streams(folder: Path) -> None:
    assert "4 frames" in done(TWO_STREAMS, folder)


@pytest.mark.parametrize(("command", "out"), [(EVAL, "scenes"), (EVAL_VIEWS, "views")])
def test_eval(folder: Path, command: str, out: str) -> None:
    done(command, folder)
    assert list((folder / "runs" / out).rglob("*.csv"))


@pytest.mark.parametrize("command", [BENCH, SCALE], ids=["bench", "scale"])
def test_bench(folder: Path, command: str) -> None:
    assert "ms" in done(command, folder)


def test_bench_against_torch(bundle: Path, folder: Path, tiny_checkpoint: Path) -> None:
    assert "torch-eager" in done(AGAINST, folder, checkpoint=tiny_checkpoint)


def test_train(folder: Path) -> None:
    config = {**tiny_training(), "steps": 2}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config), "utf-8")
    done("ermu train --config training/configs/demo.yaml", folder)
    assert list(folder.rglob("*.pth"))


def test_build_and_run_what_was_built(bundle: Path, folder: Path) -> None:
    done("ermu build --precision int8", folder)
    done("ermu build --precision fp16", folder)
    done("ermu run --precision fp16", folder)
    assert len(list((folder / "fp16_result" / "labels").iterdir())) == 4


def test_openvino(bundle: Path, folder: Path) -> None:
    """The README names the option alone; a bundle runs with nothing but OpenVINO."""
    assert "`--backend openvino --precision bf16`" in README
    options = ("--backend", "openvino", "--precision", "bf16", "--source", SCENE, "--out", "bf16_result")
    ran = environment("headless,openvino").ermu("run", "--bundle", bundle, *options, cwd=folder)
    assert ran.returncode == 0, ran.stderr


def test_in_python(bundle: Path, folder: Path) -> None:
    """The README's program, on a file instead of a camera, for three frames."""
    (code,) = re.findall(r"```python\n(import cv2, ermu.*?)```", README, re.DOTALL)
    lines = [line for line in code.splitlines() if "export_bundle" not in line]
    program = "\n".join(lines).replace("VideoCapture(0)", "VideoCapture('video.mp4')")
    program = program.replace("while True:", "for _ in range(3):") + "\n    print(result.label.max())\n"
    ran = environment(extras(RUN)).run("python", "-c", program, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) == 3


@pytest.mark.parametrize("command", SERVED)
def test_serve(folder: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [*_words(command), "--port", str(port)]
    with environment(extras(command)).running(*words, cwd=folder) as process:
        answer = _answer(f"http://127.0.0.1:{port}/api/streams", process)
        assert len(answer["streams"]) == command.count("--source")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in said, said


def _answer(url: str, process: subprocess.Popen[str]) -> Any:
    until = monotonic() + 120
    while monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)
        except OSError:
            sleep(0.2)
    raise AssertionError(process.communicate(timeout=10) if process.poll() is not None else "no answer")
