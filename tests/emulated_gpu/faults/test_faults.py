"""A fault of the device under several streams: what it ends, what goes on, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from tests.emulated_gpu.test_command_line import BACKENDS, MEMORY, MEMORY_OPTIONS, ON_GPU, on_cpu

FRAMES = 13
LOST = re.compile(r"the device was lost, and every memory began anew, after frame (\d+)")


def two_streams(bundle: Path, clips: tuple[Path, Path], out: Path, backend: str = "tensorrt") -> list[object]:
    """Of `ermu run` with two streams on the GPU."""
    command: list[object] = ["-m", "ermu", "run", "--bundle", bundle, "--out", out]
    command += [*ON_GPU, backend, *MEMORY_OPTIONS]
    for clip in clips:
        command += ["--source", clip / "frames", "--prompt", clip / "prompt.png"]
    return command


def labels(folder: Path) -> np.ndarray:
    """A stream's label maps, in order."""
    return np.stack([read_label_map(file) for file in sorted((folder / "labels").iterdir())])


def begun_anew(bundle: Path, clip: Path, after: int) -> np.ndarray:
    """The CPU's label maps where every memory is begun anew from that of a frame."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())]
    found = [read_label_map(clip / "prompt.png")]
    with Segmenter(bundle, **MEMORY) as segmenter:
        segmenter.start(frames[0], found[0])
        for number, frame in enumerate(frames[1:], start=1):
            if number == after + 1:
                segmenter.start(frames[after], found[after], number=after)
            found.append(segmenter.step(frame).label)
    return np.stack(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_streams_go_on_from_their_latest_label_maps(
    backend: str, python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """An illegal address in the middle: both streams' label maps are those of a memory begun anew there."""
    bundle, clips = engines("aot"), (clip(1), clip(3))
    ran = python(*two_streams(bundle, clips, tmp_path / "out", backend), EMULATED_FAULT_AT="160")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "The device was lost in a turn of" in ran.stderr and "CUDA error 700" in ran.stderr
    assert f"The device was reset and the backend {backend} opened anew." in ran.stderr
    after = [int(number) for number in LOST.findall(" ".join(ran.stdout.split()))]
    assert len(after) == 2 and all(0 < number < FRAMES - 1 for number in after)
    for name, source, number in zip("01", clips, after, strict=True):
        found = labels(tmp_path / "out" / name)
        assert len(found) == FRAMES
        assert np.mean(found == begun_anew(bundle, source, number)) >= 0.999


def test_a_fault_in_the_first_frame(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """Nothing is lost: the stream begins once more, from its prompt."""
    bundle, clips = engines("aot"), (clip(1), clip(3))
    ran = python(*two_streams(bundle, clips, tmp_path / "out"), EMULATED_FAULT_AT="1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(LOST.findall(" ".join(ran.stdout.split()))) <= {"0"}
    for name, source in zip("01", clips, strict=True):
        assert np.mean(labels(tmp_path / "out" / name) == on_cpu(bundle, source)) >= 0.999


def test_a_stream_that_always_loses_the_device_ends(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """No frame comes through: each stream has a second try, and none has a third."""
    command = two_streams(engines("aot"), (clip(1), clip(3)), tmp_path / "out")
    ran = python(*command, EMULATED_FAULT_AT="1", EMULATED_FAULT_EVERY="1")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ran.stderr.count("The device was lost in a turn of 0") == 2
    assert ran.stderr.count("The device was lost in a turn of 1") == 2
    assert "The stream 0 has failed" in ran.stderr and "The stream 1 has failed" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_device_that_does_not_come_back_ends_the_process(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """As CUDA documents it: the code tells a supervisor to try again, and what was written stays."""
    command = two_streams(engines("aot"), (clip(1), clip(3)), tmp_path / "out")
    ran = python(*command, EMULATED_FAULT_AT="60", EMULATED_FAULT_STAYS="1")
    assert ran.returncode == 75, ran.stdout + ran.stderr
    said = " ".join((ran.stdout + ran.stderr).split())
    assert "The device is lost to this process, resetting it did not help" in said
    assert "start the process anew" in said and "Traceback" not in said
    assert all(1 < len(labels(tmp_path / "out" / name)) < FRAMES for name in "01")


def test_a_stream_without_memory_ends_alone(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """One stream's frames are too large for a device of 12 MB; the other's are segmented all the same."""
    bundle, clips = engines("aot"), (clip(1), clip(3))
    for file in [clips[1] / "prompt.png", *(clips[1] / "frames").iterdir()]:
        with Image.open(file) as image:
            image.resize((2064, 1552), Image.Resampling.NEAREST).save(file)
    command = [*two_streams(bundle, clips, tmp_path / "out"), "--long-edge", 129]
    ran = python(*command, EMULATED_MEGABYTES="12")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert re.search(r"The stream 1 has failed: .* ran out of memory while", ran.stderr)
    assert "The stream 0 has failed" not in ran.stderr and "Traceback" not in ran.stderr
    assert np.mean(labels(tmp_path / "out" / "0") == on_cpu(bundle, clips[0])) >= 0.999


def test_strict_refuses_to_forget(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    command = two_streams(engines("aot"), (clip(1), clip(3)), tmp_path / "out")
    ran = python(*command, "--strict", EMULATED_FAULT_AT="60")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "failed while" in " ".join(ran.stderr.split()) and not LOST.search(ran.stdout)
