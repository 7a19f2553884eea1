"""The commands of the pages, in virtual environments with just the extras that docs/install.md names.

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

from ermu.runtime.images.labels import read_label_map, write_label_map
from tests.installs.commands import PAGES, commands, extras
from tests.installs.environments import environment
from tests.installs.ledger import (
    AGAIN,
    AGAINST,
    BENCH,
    BUILD_FP16,
    BUILD_INT8,
    COMPARE,
    CONVERT,
    CORRECTED,
    EVAL,
    EVAL_VIEWS,
    EXPORT,
    NOT_RUN,
    REPLACED,
    RUN_BOX,
    RUN_FP16,
    RUN_TRACED,
    SCALE,
    SCENE,
    SERVED,
    TESTED,
    TRAIN,
    TWO_STREAMS,
)
from tests.support.clips import FRAMES, HEIGHT, WIDTH, moving_frames, write_clip
from tests.support.import_graph import ROOT
from tests.support.training import tiny_training

_LONG = pytest.mark.long
_INSTALL = re.compile(r"pip install 'ermu\[([\w,-]+)\]'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: a user's video, first label maps and a training's config."""
    folder = tmp_path_factory.mktemp("user")
    write_clip(folder / "video.mp4", "libx264")
    (folder / "frames").mkdir()
    for number, frame in enumerate(moving_frames()):
        cv2.imwrite(str(folder / "frames" / f"{number:05d}.jpg"), frame)
    for name in ("first_frame", "first", "mended", "a", "b"):
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[20:60, 30:90], label[70:90, 100:150] = 1, 2
        write_label_map(folder / f"{name}.png", label)
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path, tiny_checkpoint: Path) -> Path:
    """`aot_emfs`, by the command that the pages show."""
    made = environment(extras(EXPORT)).run(*_words(EXPORT, checkpoint=tiny_checkpoint), cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder / "aot_emfs"


def _words(command: str, **names: object) -> list[str]:
    for said, instead in {**REPLACED, **SERVED}[command].items():
        command = command.replace(said, instead)
    return shlex.split(command.format(**names))


def done(command: str, folder: Path, **names: object) -> str:
    """What a command printed; nothing of it failed."""
    ran = environment(extras(command)).run(*_words(command, **names), cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def test_every_command_is_accounted_for() -> None:
    """Run here, run by a test that exists, or not run for a reason; nothing is kept that no page shows."""
    shown = {command for page in PAGES for command in commands(page)}
    run = {*REPLACED, *SERVED}
    made = {frozenset(extras(command).split(",")) for command in run}
    installs = {
        command
        for command in shown
        if (found := _INSTALL.fullmatch(command)) and frozenset(found[1].split(",")) in made
    }
    others = [command for listed in (*TESTED.values(), *NOT_RUN.values()) for command in listed]
    suite = {command for command in shown if command.startswith("pytest ")}
    assert shown == {*run, *others, *suite, *installs}
    assert len(others) == len(set(others)) and not (run | installs) & set(others)


@pytest.mark.parametrize("test", TESTED)
def test_tests_that_stand_for_commands_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert not name or f"def {name}(" in (ROOT / file).read_text("utf-8")


def test_extras_are_those_of_the_table() -> None:
    assert extras(RUN_TRACED) == "cpu,headless" and extras(EXPORT) == "export,headless"
    assert extras(AGAINST) == "bench,cpu,export,headless"
    assert extras("ermu build --engine tensorrt-rtx") == "build,headless,rtx-build"
    assert extras("ermu run --backend openvino") == "cpu,headless,openvino"
    assert all("headless" in extras(command) for command in {*REPLACED, *SERVED} - {COMPARE})


def test_a_bundle_is_inspected_and_run(bundle: Path, folder: Path) -> None:
    assert "tiny" in done("ermu inspect aot_emfs", folder)
    done(RUN_TRACED, folder)
    assert len(list((folder / "result" / "labels").iterdir())) == FRAMES
    assert len((folder / "result.jsonl").read_text().splitlines()) >= FRAMES
    assert cv2.VideoCapture(str(folder / "result.mp4")).read()[0]
    assert "all is well" in done("ermu doctor", folder)


def test_a_box_is_followed(folder: Path) -> None:
    done(RUN_BOX, folder)
    assert len(list((folder / "followed" / "labels").iterdir())) == FRAMES
    assert cv2.VideoCapture(str(folder / "followed.mp4")).read()[0]


def test_the_demo(folder: Path) -> None:
    assert "mean" in done("ermu demo", folder)


def test_results_are_converted_and_come_back_as_prompts(folder: Path) -> None:
    shutil.rmtree(folder / "result", ignore_errors=True)  # of a random network
    (folder / "result" / "labels").mkdir(parents=True)
    shutil.copy(folder / "a.png", folder / "result" / "labels" / "00000.png")
    assert "objects -> result.json" in done(CONVERT, folder)
    done(CORRECTED, folder)
    done(AGAIN, folder)
    assert read_label_map(folder / "again" / "labels" / "00000.png").max() == 2


def test_two_streams(folder: Path) -> None:
    assert "4 frames" in done(TWO_STREAMS, folder)


@pytest.mark.parametrize(
    ("command", "out"), [(EVAL, "scenes"), pytest.param(EVAL_VIEWS, "views", marks=_LONG)]
)
def test_eval(folder: Path, command: str, out: str) -> None:
    done(command, folder)
    assert list((folder / "runs" / out).rglob("*.csv"))


@pytest.mark.parametrize(
    "command", [pytest.param(BENCH, id="bench"), pytest.param(SCALE, id="scale", marks=_LONG)]
)
def test_bench(folder: Path, command: str) -> None:
    assert "ms" in done(command, folder)


@_LONG
def test_bench_against_torch(bundle: Path, folder: Path, tiny_checkpoint: Path) -> None:
    assert "torch-best" in done(AGAINST, folder, checkpoint=tiny_checkpoint)


@_LONG
def test_train(folder: Path) -> None:
    config = {**tiny_training(), "steps": 2}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config), "utf-8")
    done(TRAIN, folder)
    assert list(folder.rglob("*.pth"))


@_LONG
def test_build_and_run_what_was_built(bundle: Path, folder: Path) -> None:
    done(BUILD_INT8, folder)
    done(BUILD_FP16, folder)
    done(RUN_FP16, folder)
    assert len(list((folder / "fp16_result" / "labels").iterdir())) == FRAMES


def test_reports_are_compared(folder: Path) -> None:
    assert "faster" in done(COMPARE, folder)


def test_openvino(bundle: Path, folder: Path) -> None:
    """The pages name the option alone; a bundle runs with nothing but OpenVINO."""
    options = ("--backend", "openvino", "--precision", "bf16", "--source", SCENE, "--out", "bf16_result")
    ran = environment("headless,openvino").ermu("run", "--bundle", bundle, *options, cwd=folder)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/start.md", "docs/labelling.md"])
def test_in_python(folder: Path, page: str, request: pytest.FixtureRequest) -> None:
    """A page's program, on a file instead of a camera, and not for ever."""
    (code,) = re.findall(r"```python\n(import cv2, ermu.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    program = code.replace("VideoCapture(0)", "VideoCapture('video.mp4')")
    if page == "README.md":
        request.getfixturevalue("bundle")
        program = program.replace("while True:", "for _ in range(3):")
    ran = environment(extras(RUN_TRACED)).run("python", "-c", program + "\nprint('whole')", cwd=folder)
    assert ran.returncode == 0 and "whole" in ran.stdout, ran.stderr


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
