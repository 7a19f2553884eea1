"""Fixtures: synthetic checkpoints and the bundles exported from them, made once and kept by content."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.synthetic import write_checkpoint

ROOT = Path(__file__).parents[1]
pytest_plugins = ["tests.support.gpu", "tests.support.crashes"]
# Folders below export/, beside its own modules.
_SHAPING = ("encoders", "families", "network", "origins", "precision")
# Modules of runtime/bundle/.
_CONTRACT = ("manifest", "group_manifest", "object_manifest", "parts", "roles", "sizes")
CACHE = Path(os.environ.get("ERMU_TEST_CACHE", ROOT / "tests" / ".cache"))


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """The log goes where it went: a command run in this process sends it to a stderr of its own."""
    logger = logging.getLogger("ermu")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


def _exporter_version() -> str:
    """Changes whenever something that shapes a bundle does."""
    import torch

    digest = hashlib.sha256(torch.__version__.encode())
    folders = [(ROOT / "export" / name).rglob("*.py") for name in _SHAPING]
    shaping = [file for folder in ((ROOT / "export").glob("*.py"), *folders) for file in folder]
    contract = (ROOT / "runtime" / "bundle" / f"{name}.py" for name in _CONTRACT)
    for file in sorted([*shaping, *contract]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def made_once(name: str, make: Callable[[Path], None]) -> Path:
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
        return made_once(f"{name}.pth", lambda path: write_checkpoint(name, path))

    return checkpoint


@pytest.fixture(scope="session")
def bundle(synthetic_checkpoint: Callable[[str], Path]) -> Callable[..., Path]:
    """Path of a golden network's bundle: `bundle("r50_aotl")`, `bundle("aott", "uint8")`."""

    def exported(name: str, image_dtype: str = "float32") -> Path:
        def make(path: Path) -> None:
            from ermu import export_bundle

            export_bundle(synthetic_checkpoint(name), path, network=name)

        def remake(path: Path) -> None:
            _with_byte_images(exported(name), path, synthetic_checkpoint(name))

        return made_once(f"{name}-{image_dtype}", make if image_dtype == "float32" else remake)

    return exported


def _with_byte_images(source: Path, target: Path, checkpoint: Path) -> None:
    """A bundle as `export_bundle(..., image_dtype="uint8")` makes it: another `encode`, nothing else."""
    from ermu.export.checkpoint import load_checkpoint
    from ermu.export.graphs import build_graphs
    from ermu.export.network.recognition import build_network
    from ermu.export.network.spec import network_spec
    from ermu.export.onnx_writer import write_onnx
    from ermu.export.weights import WeightsFile, places_of
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.files import sha256_of

    manifest = Bundle.load(source).manifest
    network = build_network(load_checkpoint(checkpoint), network_spec(manifest.network.name))
    encode = build_graphs(network, "uint8")[0]
    shutil.copytree(source, target)
    file = target / manifest.graphs["encode"].file
    known = WeightsFile(target / "more.bin", places_of([file]))
    write_onnx(encode, file, known, rule=network.spec.grid, opset=20, fixed_hw=None)
    assert not known.path.exists(), "the weights are those of the exact images"
    info = manifest.graphs["encode"].model_copy(
        update={"sha256": sha256_of(file), "inputs": encode.inputs, "max_difference": 0.0}
    )
    as_bytes = manifest.input.model_copy(update={"dtype": "uint8"})
    graphs = {**manifest.graphs, "encode": info}
    changed = manifest.model_copy(update={"graphs": graphs, "input": as_bytes})
    (target / "manifest.json").write_text(changed.to_json())


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    """A very small AOT network with random weights that carries its own description."""

    def make(path: Path) -> None:
        import torch

        from ermu.export.network.network import SegmentationNetwork
        from ermu.export.network.spec import network_spec

        spec = network_spec(
            "aott", name="tiny", width=64, heads=2, key_width=64, feedforward=128, decoder_width=64
        )
        torch.manual_seed(7)
        network = SegmentationNetwork(spec)
        torch.save({"state_dict": network.state_dict(), "spec": spec.to_dict()}, path)

    return made_once("tiny.pth", make)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path) -> Path:
    """A bundle of the tiny network: capacity 4, gap 2."""

    def make(path: Path) -> None:
        from ermu import export_bundle

        export_bundle(tiny_checkpoint, path, capacity=4, gap=2)

    return made_once("tiny", make)


@pytest.fixture(scope="session")
def made_for_sam2() -> Callable[[str, Callable[[Path], None]], Path]:
    """`made_once`, anew whenever something changes that shapes networks of transformers alone."""
    pytest.importorskip("transformers")
    version = _sam2_version()
    return lambda name, make: made_once(f"{name}-{version}", make)


@pytest.fixture(scope="session")
def sam2_folder(made_for_sam2: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A folder of transformers with a small SAM 2.1 of random weights."""

    def make(path: Path) -> None:
        from tests.support.sam2.network import write_folder

        write_folder(path)

    return made_for_sam2("sam2", make)


@pytest.fixture(scope="session")
def sam2_bundle(sam2_folder: Path, made_for_sam2: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Its bundle: 128 x 128 pixels, seven memory frames."""

    def make(path: Path) -> None:
        from ermu import export_bundle

        export_bundle(sam2_folder, path)

    return made_for_sam2("sam2-bundle", make)


def _sam2_version() -> str:
    """Changes whenever something that shapes these alone does."""
    from importlib.metadata import version

    digest = hashlib.sha256(version("transformers").encode())
    folders = (ROOT / "export" / "transformers_video", ROOT / "tests" / "support" / "sam2")
    files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
    for file in (*files, ROOT / "runtime" / "bundle" / "object_manifest.py"):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Servers, browsers and benchmarks have the machine to themselves; tests of a GPU skip where none is.

    Long ones skip unless asked for.
    """
    from tests.support.gpu import is_emulated, no_gpu

    reason, asked = no_gpu(), "long" in config.option.markexpr
    for item in items:
        if item.get_closest_marker("long") and not asked:
            item.add_marker(pytest.mark.skip(reason="takes minutes: pytest -m long"))
        if {"serve", "benchmarks"} & set(Path(item.path).relative_to(ROOT).parts):
            item.add_marker("serial")
        if reason and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=reason))
        if is_emulated() and item.get_closest_marker("chip"):
            item.add_marker(pytest.mark.skip(reason="only a real GPU can do that, or do it in time"))
