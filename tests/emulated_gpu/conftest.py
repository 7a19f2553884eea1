"""Processes on the emulated GPU, and small bundles with engines for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.assets import DEMO_BUNDLE
from ermu.runtime.images.labels import write_label_map
from tests.conftest import made_once
from tests.emulated_gpu.environment import ROOT, UnavailableError, environment

Ran = subprocess.CompletedProcess[str]
FRAMES, SIZE = 13, (97, 129)


@pytest.fixture(scope="session")
def emulated() -> dict[str, str]:
    """The environment of processes that see the emulated GPU."""
    try:
        return {**environment(), "COLUMNS": "200"}
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def python(emulated: dict[str, str]) -> Callable[..., Ran]:
    """Runs Python on the emulated GPU: `python("-m", "ermu", "doctor")`, `python(script_path, ...)`."""

    def run(*arguments: object, **variables: str) -> Ran:
        command = [sys.executable, *map(str, arguments)]
        options = dict(capture_output=True, text=True, timeout=300, cwd=ROOT)
        return subprocess.run(command, env={**emulated, **variables}, check=False, **options)

    return run


@pytest.fixture(scope="session")
def tiny_deaot_bundle() -> Path:
    """A bundle of a very small DeAOT with random weights: capacity 4, gap 2."""

    def make(path: Path) -> None:
        import torch

        from ermu import export_bundle
        from ermu.export.network.network import SegmentationNetwork
        from ermu.export.network.spec import network_spec

        small = dict(width=64, key_width=32, feedforward=64, decoder_width=64)
        spec = network_spec("deaott", name="tiny-deaot", **small)
        torch.manual_seed(7)
        checkpoint = path.with_name("tiny-deaot.pth")
        torch.save({"state_dict": SegmentationNetwork(spec).state_dict(), "spec": spec.to_dict()}, checkpoint)
        export_bundle(checkpoint, path, capacity=4, gap=2)

    return made_once("tiny-deaot", make)


@pytest.fixture(scope="session")
def engines(
    tiny_deaot_bundle: Path,
    python: Callable[..., Ran],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """`engines("aot")`, the demo's network, or "deaot": a bundle with the engines that `ermu build` makes."""
    sources = {"aot": DEMO_BUNDLE, "deaot": tiny_deaot_bundle}
    made: dict[str, Path] = {}

    def built(family: str) -> Path:
        if family not in made:
            path = tmp_path_factory.mktemp("emulated") / family
            shutil.copytree(sources[family], path)
            options = ("--engine", "tensorrt", "--size", "x".join(map(str, SIZE)), "--max-memory", 6)
            ran = python("-m", "ermu", "build", "--bundle", path, *options)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            made[family] = path
        return made[family]

    return built


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """`clip(12)`: a folder with `frames` and the `prompt.png` of so many objects that drift; at most 50."""

    def made(objects: int, frames: int = FRAMES) -> Path:
        folder = tmp_path_factory.mktemp("clip")
        (folder / "frames").mkdir()
        random = np.random.default_rng(objects)
        ground = cv2.resize(random.integers(0, 256, (12, 16, 3), np.uint8), SIZE[::-1])
        colours = random.integers(0, 256, (objects, 3))
        columns, height, width = (4, 20, 20) if objects <= 12 else (10, 12, 8)
        for i in range(frames):
            image, label = ground.copy(), np.zeros(SIZE, np.uint8)
            for k in range(objects):
                top = 4 + 3 * height // 2 * (k // columns) + i % 5
                left = 4 + 3 * width // 2 * (k % columns) + i % 3
                image[top : top + height, left : left + width] = colours[k]
                label[top : top + height, left : left + width] = k + 1
            cv2.imwrite(str(folder / "frames" / f"{i:04}.png"), image)
            if i == 0:
                write_label_map(folder / "prompt.png", label)
        return folder

    return made
