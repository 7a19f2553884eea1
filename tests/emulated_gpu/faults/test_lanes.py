"""Streams side by side on one GPU; a fault takes the context that all of them have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.emulated_gpu.faults.test_faults import FRAMES, LOST, begun_anew, labels, two_streams
from tests.emulated_gpu.test_command_line import BACKENDS, on_cpu

LANES = ("--lanes", 2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lanes_make_the_label_maps_of_the_cpu(
    backend: str, python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    bundle, clips = engines("aot"), (clip(1), clip(3))
    ran = python(*two_streams(bundle, clips, tmp_path / "out", backend), *LANES)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert "2 lanes side by side" in ran.stdout
    for name, source in zip("01", clips, strict=True):
        assert np.mean(labels(tmp_path / "out" / name) == on_cpu(bundle, source)) >= 0.999


@pytest.mark.parametrize("number", [60, 160])
def test_the_device_is_reset_once_for_all_lanes(
    number: int, python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """Whoever notices first resets it; each stream's label maps are those of a memory begun anew there."""
    bundle, clips = engines("aot"), (clip(1), clip(3))
    command = two_streams(bundle, clips, tmp_path / "out")
    ran = python(*command, *LANES, EMULATED_FAULT_AT=str(number))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr.count("The device was reset and the backend tensorrt opened anew.") == 1
    assert "Traceback" not in ran.stderr and "emulated GPU: freed" not in ran.stderr
    after = [int(frame) for frame in LOST.findall(" ".join(ran.stdout.split()))]
    assert len(after) == 2
    for name, source, frame in zip("01", clips, after, strict=True):
        found = labels(tmp_path / "out" / name)
        assert len(found) == FRAMES
        assert np.mean(found == begun_anew(bundle, source, frame)) >= 0.999


def test_streams_that_always_lose_the_device_end(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """Lanes take turns once it was lost: each stream fails of its own faults, and nothing waits for ever."""
    command = two_streams(engines("aot"), (clip(1), clip(3)), tmp_path / "out")
    ran = python(*command, *LANES, EMULATED_FAULT_AT="1", EMULATED_FAULT_EVERY="1")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "The stream 0 has failed" in ran.stderr and "The stream 1 has failed" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_device_that_does_not_come_back_ends_all_lanes(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    command = two_streams(engines("aot"), (clip(1), clip(3)), tmp_path / "out")
    ran = python(*command, *LANES, EMULATED_FAULT_AT="60", EMULATED_FAULT_STAYS="1")
    assert ran.returncode == 75, ran.stdout + ran.stderr
    said = " ".join((ran.stdout + ran.stderr).split())
    assert "The device is lost to this process, resetting it did not help" in said
    assert "Traceback" not in said


def test_a_fault_of_a_prompter_ends_one_answer(python: Callable, sam2_bundle: Path) -> None:
    """It is asked in a thread that works for no stream: nobody else would notice."""
    ran = python("-m", "tests.emulated_gpu.scripts.prompter_reset", sam2_bundle, EMULATED_FAULT_AT="2")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert "CUDA error 700" in found["said"] and found["resets"] == 1
    assert len(found["agree"]) == 2 and min(found["agree"]) >= 0.999


def test_strict_streams_fail_in_whatever_lane_they_are(
    python: Callable, engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    command = two_streams(engines("aot"), (clip(1), clip(3)), tmp_path / "out")
    ran = python(*command, *LANES, "--strict", EMULATED_FAULT_AT="60")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "The stream 0 has failed" in ran.stderr and "The stream 1 has failed" in ran.stderr
    assert all(len(labels(tmp_path / "out" / name)) < FRAMES for name in "01")
