"""Fixtures: synthetic checkpoints and the bundles exported from them, made once and kept by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.synthetic import write_checkpoint

ROOT = Path(__file__).parents[1]
_SHAPING = ("graphs.py", "split_graphs.py", "onnx_writer.py", "bundle_writer.py", "checkpoint.py")
CACHE = Path(os.environ.get("ERMU_TEST_CACHE", ROOT / "tests" / ".cache"))


def _exporter_version() -> str:
    """Changes whenever something that shapes a bundle does."""
    import torch

    digest = hashlib.sha256(torch.__version__.encode())
    shaping = [*(ROOT / "export" / "networks").glob("*.py"), *(ROOT / "export" / f for f in _SHAPING)]
    for file in sorted([*shaping, ROOT / "runtime" / "manifest.py"]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A file or folder that `make` writes to the path it is given, shared between test processes and runs."""
    folder = CACHE / _exporter_version()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with FileLock(f"{path}.lock"):
        if not path.exists():
            make(path)
    return path


@pytest.fixture(scope="session")
def synthetic_checkpoint() -> Callable[[str], Path]:
    """Path of a golden network's synthetic checkpoint, as a published one is laid out."""

    def checkpoint(name: str) -> Path:
        return _made_once(f"{name}.pth", lambda path: write_checkpoint(name, path))

    return checkpoint


@pytest.fixture(scope="session")
def bundle(synthetic_checkpoint: Callable[[str], Path]) -> Callable[..., Path]:
    """Path of a golden network's bundle: `bundle("r50_aotl")`, `bundle("aott", "float32")`."""

    def exported(name: str, image_dtype: str = "uint8") -> Path:
        def make(path: Path) -> None:
            from ermu import export_bundle

            export_bundle(synthetic_checkpoint(name), path, network=name, image_dtype=image_dtype)

        return _made_once(f"{name}-{image_dtype}", make)

    return exported


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    """A very small AOT network with random weights that carries its own description."""

    def make(path: Path) -> None:
        import torch

        from ermu.export.networks import SegmentationNetwork, network_spec

        spec = network_spec(
            "aott", name="tiny", width=64, heads=2, key_width=64, feedforward=128, decoder_width=64
        )
        torch.manual_seed(7)
        network = SegmentationNetwork(spec)
        torch.save({"state_dict": network.state_dict(), "spec": spec.to_dict()}, path)

    return _made_once("tiny.pth", make)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path) -> Path:
    """A bundle of the tiny network: capacity 4, gap 2."""

    def make(path: Path) -> None:
        from ermu import export_bundle

        export_bundle(tiny_checkpoint, path, capacity=4, gap=2)

    return _made_once("tiny", make)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever runs against a clock, a server or a browser has the machine to itself."""
    for item in items:
        if {"live", "serve", "benchmarks"} & set(Path(item.path).parent.parts):
            item.add_marker("serial")
