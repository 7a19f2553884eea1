"""The GPU path as a user starts it, on the emulated GPU: exit codes, messages, and the CPU's label maps."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from tests.emulated_gpu.environment import ROOT
from tests.emulated_gpu.scripts.two_threads import NAMES, follow, read
from tests.support.processes import running

BACKENDS = ("tensorrt", "onnxruntime")
ON_GPU = ("--device", "cuda", "--backend")
MEMORY = dict(capacity=3, gap=2)
MEMORY_OPTIONS = ("--capacity", "3", "--gap", "2")


def arguments(bundle: Path, clip: Path, out: Path, backend: str = "tensorrt") -> list[object]:
    """Of `ermu run` on the GPU."""
    source = ("--source", clip / "frames", "--prompt", clip / "prompt.png", "--out", out)
    return ["-m", "ermu", "run", "--bundle", bundle, *source, *ON_GPU, backend, *MEMORY_OPTIONS]


def on_cpu(bundle: Path, clip: Path) -> np.ndarray:
    """The label maps that the CPU makes of a clip."""
    first, *others = (cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir()))
    prompt = read_label_map(clip / "prompt.png")
    with Segmenter(bundle, **MEMORY) as segmenter:
        segmenter.start(first, prompt)
        return np.stack([prompt, *(segmenter.step(frame).label for frame in others)])


def test_doctor_finds_everything_that_a_gpu_needs(python: Callable, engines: Callable) -> None:
    ran = python("-m", "ermu", "doctor", "--device", "cuda", "--bundle", engines("aot"), "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    checks = {check["name"]: check for check in json.loads(ran.stdout)["checks"]}
    for name in ("gpu", "cuda kernels", "tensorrt", "backend tensorrt", "backend onnxruntime"):
        assert checks[name]["state"] == "ok", name
    assert "holds and gives back a megabyte" in checks["gpu"]["found"]
    assert checks["cuda kernels"]["found"] == "one was launched: numpy's numbers"
    assert checks["backend tensorrt"]["found"] == "built and ran a tiny engine, on cuda"


def test_doctor_tells_what_is_there_and_fails(python: Callable) -> None:
    """After the two backends a kernel faults; nothing else is its victim."""
    ran = python("-m", "ermu", "doctor", "--device", "cuda", "--json", EMULATED_FAULT_AT="3")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    checks = {check["name"]: check for check in json.loads(ran.stdout)["checks"]}
    assert (checks["gpu"]["state"], checks["backend tensorrt"]["state"]) == ("ok", "ok")
    assert checks["cuda kernels"]["state"] == "failed"
    assert "CUDA error 700" in checks["cuda kernels"]["found"] and checks["cuda kernels"]["fix"]


def test_doctor_says_what_no_memory_means(python: Callable) -> None:
    ran = python("-m", "ermu", "doctor", "--device", "cuda", "--json", EMULATED_OUT_OF_MEMORY_AT="1")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    checks = {check["name"]: check for check in json.loads(ran.stdout)["checks"]}
    assert checks["gpu"]["state"] == checks["backend tensorrt"]["state"] == "failed"
    assert "ran out of memory" in checks["gpu"]["found"] and "--capacity" in checks["gpu"]["fix"]


@pytest.mark.parametrize("objects", [1, 50])
@pytest.mark.parametrize("family", ["aot", "deaot"])
def test_run_makes_the_label_maps_of_the_cpu(
    family: str, objects: int, python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    # Five groups of a network of random weights nearly tie: a pixel that falls otherwise soon has company.
    frames = clip(objects, 13 if objects == 1 else {"aot": 8, "deaot": 3}[family])
    expected = on_cpu(engines(family), frames)
    for backend in BACKENDS:
        out = tmp_path / backend
        ran = python(*arguments(engines(family), frames, out, backend))
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
        assert f"{len(expected)} frames in" in ran.stdout
        found = np.stack([read_label_map(file) for file in sorted((out / "labels").iterdir())])
        assert np.mean(found == expected) >= 0.999, backend


@pytest.mark.parametrize("backend", BACKENDS)
def test_bench_measures_it(backend: str, python: Callable, engines: Callable, tmp_path: Path) -> None:
    options = ("--size", "97x129", "--frames", 4, "--warmup", 8, "--objects", 2, "--memory", 3, "--gap", 2)
    report = ("--json", tmp_path / "report.json")
    ran = python("-m", "ermu", "bench", "--bundle", engines("aot"), *ON_GPU, backend, *options, *report)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    launches = json.loads((tmp_path / "report.json").read_text())["launches"]
    assert launches == 4 if backend == "tensorrt" else launches > 4


def test_streams_in_threads_whose_objects_come_and_go(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    frames = clip(12)
    ran = python("-m", "tests.emulated_gpu.scripts.two_threads", engines("aot"), frames, tmp_path / "l.npz")
    assert (ran.returncode, ran.stderr) == (0, "")
    with Segmenter(engines("aot"), **MEMORY) as segmenter:
        expected = follow(segmenter, *read(frames))
    assert 12 in expected[-1] and 1 not in expected[-1]
    with np.load(tmp_path / "l.npz") as found:
        assert sorted(found) == sorted(NAMES)
        assert min(np.mean(found[name] == expected) for name in NAMES) >= 0.999


def test_an_interrupt_ends_it_cleanly(
    emulated: dict[str, str], engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, *arguments(engines("aot"), clip(1, 400), out)]
    with running(command, cwd=ROOT, env=emulated) as process:
        until = monotonic() + 120
        while len(list(out.glob("labels/*.png"))) < 3:
            assert monotonic() < until and process.poll() is None
            sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=120)
    assert (process.returncode, complained) == (128 + signal.SIGINT, "")
    assert "frames in" in said
    written = sorted((out / "labels").iterdir())
    assert 3 <= len(written) < 400
    assert all(read_label_map(file).shape == (97, 129) for file in written)


def test_engines_too_small_for_the_memory_say_what_they_were_built_for(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """Built for six memory frames; the demo's own rule holds nine."""
    source = ("--source", clip(1, 16) / "frames", "--prompt", clip(1, 16) / "prompt.png")
    run = ("run", "--bundle", engines("aot"), *source, "--out", tmp_path / "out", *ON_GPU, "tensorrt")
    ran = python("-m", "ermu", *run, "--gap", 1)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    said = " ".join(ran.stderr.split())
    assert "--size 97x129 --max-memory 6" in said and "--capacity" in said and "Traceback" not in said


@pytest.mark.parametrize(("backend", "number"), [("tensorrt", 2), ("onnxruntime", 44)])
def test_no_memory_is_said_and_nothing_aborts(
    backend: str, number: int, python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    command = arguments(engines("aot"), clip(1), tmp_path / "out", backend)
    ran = python(*command, EMULATED_OUT_OF_MEMORY_AT=str(number))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    said = " ".join((ran.stdout + ran.stderr).split())
    assert "GPU 0 (Emulated GPU) ran out of memory while" in said
    assert "--capacity" in said and "Traceback" not in said
