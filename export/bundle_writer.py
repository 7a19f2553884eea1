"""A checkpoint becomes a bundle: traced, checked graph by graph, and put in place only when whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ermu.errors import BundleError, OptionError
from ermu.export.network.spec import NetworkSpec
from ermu.export.onnx_writer import difference_to_torch, write_onnx
from ermu.export.origins.checkpoint_file import CheckpointFile
from ermu.export.origins.origin import Exportable, ExportOptions, Origin, listed_file
from ermu.export.origins.transformers_folder import TransformersFolder
from ermu.export.weights import WeightsFile
from ermu.kernels.base.resampling import FILTERS
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.parts import GraphInfo
from ermu.runtime.files import sha256_of, swap_folder

ORIGINS: tuple[Origin, ...] = (TransformersFolder(), CheckpointFile())  # the first that takes a path reads it
OPSETS = range(18, 22)
WEIGHTS = "weights.bin"

Progress = Callable[[str, int, int], None]


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    *,
    network: str | NetworkSpec | None = None,
    size: tuple[int, int] | None = None,
    policy: str | None = None,
    capacity: int | None = None,
    gap: int | None = None,
    long_edge: int | None = None,
    image_dtype: str = "float32",
    resampling: str | None = None,
    relevance_weight: float | None = None,
    opset: int = 20,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Exports a checkpoint to a bundle.

    Args:
        checkpoint: A .pth file of a known network, or one that carries its description; or the folder of a
            SAM 2 or 2.1 for video or an EdgeTAM as transformers publishes it, config.json and safetensors, to
            which `network`, `size` and `long_edge` do not apply.
        out: Folder to create; replaced as a whole with `overwrite`, and only after everything succeeded.
        network: Name, which the checkpoint is checked against, or description; left out, the checkpoint's
            keys and shapes say it.
        size: Network input (height, width) to fix the graphs to; None keeps them dynamic.
        policy: Default eviction policy; None, the published one of the network.
        capacity: Default number of memory frames; None, 9, or the published one of a folder.
        gap: Default number of frames between two appends to the memory bank, for clips of any length; None,
            the network's published rule.
        long_edge: Frames with a longer edge are scaled down to it by default; None, 1040.
        image_dtype: `float32` for frames resized exactly, `uint8` for frames rounded back to bytes.
        resampling: `bicubic` or `antialiased`; None, as published: `bicubic`, and `antialiased` for a folder.
        relevance_weight: ERMU's constant a (`docs/spec/ermu.md`), 0 or more; None, the family's as
            published. A folder takes none.
        opset: 18 to 21.
        overwrite: Replace an existing bundle.
        progress: Called with (what, step, steps).

    Returns:
        The bundle, loaded and verified.

    Raises:
        CheckpointError: the checkpoint cannot be read, is no known network or not the one named.
        BundleError: `out` exists.
        OptionError: an argument is unknown or out of range.
        BackendError: a graph does not reproduce torch.
        DependencyError: a package is missing, such as transformers for its folders.
    """
    path, out = Path(checkpoint), Path(out)
    tell = progress or (lambda what, step, steps: None)
    _check_arguments(out, image_dtype, resampling, opset, overwrite)
    options = ExportOptions(
        network, size, policy, capacity, gap, long_edge, image_dtype, resampling, relevance_weight
    )
    source = next(origin for origin in ORIGINS if origin.takes(path)).read(path, options)
    return write_bundle(source, out, opset=opset, tell=tell)


def write_bundle(source: Exportable, out: Path, *, opset: int, tell: Progress) -> Bundle:
    """Writes a network that has been read; arguments and errors as of `export_bundle`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        weights = WeightsFile(folder / WEIGHTS)
        graphs = _write_graphs(source, folder, weights, opset, tell)
        manifest = source.manifest(folder, graphs, listed_file(weights.path))
        (folder / "manifest.json").write_text(manifest.to_json())
        folder.chmod(0o755)
        _put_in_place(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell("done", 2 * len(graphs), 2 * len(graphs))
    return Bundle.load(out)


def _write_graphs(
    source: Exportable, folder: Path, weights: WeightsFile, opset: int, tell: Progress
) -> dict[str, GraphInfo]:
    described: dict[str, GraphInfo] = {}
    graphs, rule, size = source.graphs, source.grid, source.size
    for i, graph in enumerate(graphs):
        path = folder / f"{graph.name}.onnx"
        tell(f"trace {graph.name}", 2 * i, 2 * len(graphs))
        write_onnx(graph, path, weights, rule=rule, opset=opset, fixed_hw=size)
        tell(f"check {graph.name}", 2 * i + 1, 2 * len(graphs))
        described[graph.name] = GraphInfo(
            file=path.name,
            sha256=sha256_of(path),
            inputs=graph.inputs,
            outputs=graph.outputs,
            max_difference=difference_to_torch(graph, path, rule=rule, fixed_hw=size),
        )
    return described


def _check_arguments(
    out: Path, image_dtype: str, resampling: str | None, opset: int, overwrite: bool
) -> None:
    if out.exists() and not overwrite:
        raise BundleError(
            f"{out} exists already.", fix="choose another --out, or pass --overwrite to replace it"
        )
    if out.exists() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise BundleError(
            f"{out} is not a bundle and not empty; it will not be replaced.", fix="choose another --out"
        )
    if image_dtype not in ("float32", "uint8"):
        raise OptionError(f"Unknown image dtype '{image_dtype}'.", expected="float32 or uint8")
    if resampling not in (None, *FILTERS):
        raise OptionError(f"Unknown resampling '{resampling}'.", expected=" or ".join(FILTERS))
    if opset not in OPSETS:
        raise OptionError(f"Opset {opset} is not supported.", expected=f"{OPSETS[0]} to {OPSETS[-1]}")


def _put_in_place(folder: Path, out: Path) -> None:
    """Swaps the finished folder in; an older bundle is removed only after the new one stands."""
    if not out.exists():
        folder.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    swap_folder(folder, out, old / out.name)
    shutil.rmtree(old, ignore_errors=True)
