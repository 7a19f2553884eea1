"""A checkpoint becomes a bundle: traced, checked graph by graph, and put in place only when whole."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ermu.errors import BundleError, OptionError
from ermu.export.checkpoint import Checkpoint, build_network, load_checkpoint
from ermu.export.graph import Graph
from ermu.export.graphs import build_graphs, build_plans
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec, network_spec
from ermu.export.onnx_writer import difference_to_torch, write_onnx
from ermu.export.weights import WeightsFile
from ermu.registries import FAMILIES
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import (
    FORMAT_VERSION,
    FileInfo,
    GraphInfo,
    InputInfo,
    Manifest,
    MemoryInfo,
    NetworkInfo,
    Provenance,
)
from ermu.runtime.bundle.sizes import LONG_EDGE, is_network_size
from ermu.runtime.files import sha256_of

LICENCE = (
    "The graphs contain the weights of the checkpoint named here and stay under that checkpoint's licence; "
    "ERMU itself is Apache-2.0."
)
OPSETS = range(18, 22)
PUBLISHED_GAP = 5
WEIGHTS = "weights.bin"
IDENTITY = "identity.npz"

Progress = Callable[[str, int, int], None]


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    *,
    network: str | NetworkSpec | None = None,
    size: tuple[int, int] | None = None,
    capacity: int = 9,
    gap: int | None = None,
    long_edge: int = LONG_EDGE,
    image_dtype: str = "float32",
    opset: int = 20,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Exports a checkpoint to a bundle.

    Args:
        checkpoint: A .pth file of the aot_plus family.
        out: Folder to create; replaced as a whole with `overwrite`, and only after everything succeeded.
        network: Name or description; may be left out when the checkpoint carries its description.
        size: Network input (height, width), each 16k + 1, to fix the graphs to; None keeps them dynamic.
        capacity: Default number of memory frames.
        gap: Default number of frames between two appends to the memory bank, for clips of any length; None,
            the published rule max(5, round(frames / 30)).
        long_edge: Frames with a longer edge are scaled down to it by default.
        image_dtype: `float32` for frames resized exactly, `uint8` for frames rounded back to bytes.
        opset: 18 to 21.
        overwrite: Replace an existing bundle.
        progress: Called with (what, step, steps).

    Returns:
        The bundle, loaded and verified.

    Raises:
        CheckpointError: the checkpoint cannot be read or does not fit the network.
        BundleError: `out` exists.
        OptionError: an argument is unknown or out of range.
        BackendError: a graph does not reproduce torch.
    """
    out = Path(out)
    tell = progress or (lambda what, step, steps: None)
    _check_arguments(out, size, image_dtype, opset, overwrite)
    loaded = load_checkpoint(Path(checkpoint))
    spec = _choose_spec(network, loaded)
    model, unknown = build_network(loaded, spec)
    graphs = build_graphs(model, image_dtype)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        weights = WeightsFile(folder / WEIGHTS)
        described = _write_graphs(graphs, folder, weights, size, opset, tell)
        manifest = Manifest(
            memory=_memory(capacity, gap),
            input=InputInfo(size=size, dtype=image_dtype, long_edge=long_edge),  # type: ignore[arg-type]
            graphs=described,
            weights=(_listed(weights.path),),
            provenance=_provenance(loaded, unknown),
            **_of_network(model, folder),
        )
        (folder / "manifest.json").write_text(manifest.to_json())
        folder.chmod(0o755)
        _put_in_place(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell("done", 2 * len(described), 2 * len(described))
    return Bundle.load(out)


def _of_network(network: SegmentationNetwork, folder: Path) -> dict[str, Any]:
    """The manifest's fields that follow from the network; writes its identity bank."""
    return {
        "format_version": FORMAT_VERSION,
        "network": NetworkInfo(**network.spec.to_dict()),
        "score": FAMILIES.get(network.spec.family).score,
        "temporal_rows": _temporal_rows(network),
        "precision": "fp32",
        "plans": build_plans(network),
        "identity": _write_identity(network, folder / IDENTITY),
    }


def _write_graphs(
    graphs: list[Graph],
    folder: Path,
    weights: WeightsFile,
    size: tuple[int, int] | None,
    opset: int,
    tell: Progress,
) -> dict[str, GraphInfo]:
    described: dict[str, GraphInfo] = {}
    for i, graph in enumerate(graphs):
        path = folder / f"{graph.name}.onnx"
        tell(f"trace {graph.name}", 2 * i, 2 * len(graphs))
        write_onnx(graph, path, weights, opset=opset, fixed_hw=size)
        tell(f"check {graph.name}", 2 * i + 1, 2 * len(graphs))
        described[graph.name] = GraphInfo(
            file=path.name,
            sha256=sha256_of(path),
            inputs=graph.inputs,
            outputs=graph.outputs,
            max_difference=difference_to_torch(graph, path, fixed_hw=size),
        )
    return described


def _write_identity(network: SegmentationNetwork, path: Path) -> FileInfo:
    state = network.patch_wise_id_bank.state_dict()
    np.savez(path, weight=state["weight"].numpy(), bias=state["bias"].numpy())
    return _listed(path)


def _listed(path: Path) -> FileInfo:
    return FileInfo(file=path.name, sha256=sha256_of(path))


def _check_arguments(
    out: Path, size: tuple[int, int] | None, image_dtype: str, opset: int, overwrite: bool
) -> None:
    if out.exists() and not overwrite:
        raise BundleError(
            f"{out} exists already.", fix="choose another --out, or pass --overwrite to replace it"
        )
    if out.exists() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise BundleError(
            f"{out} is not a bundle and not empty; it will not be replaced.", fix="choose another --out"
        )
    if size is not None and not is_network_size(size):
        raise OptionError(
            f"Size {size[0]}x{size[1]} does not fit the networks.",
            expected="height and width of the form 16k + 1, at least 33, such as 353x641",
        )
    if image_dtype not in ("float32", "uint8"):
        raise OptionError(f"Unknown image dtype '{image_dtype}'.", expected="float32 or uint8")
    if opset not in OPSETS:
        raise OptionError(f"Opset {opset} is not supported.", expected=f"{OPSETS[0]} to {OPSETS[-1]}")


def _choose_spec(network: str | NetworkSpec | None, checkpoint: Checkpoint) -> NetworkSpec:
    if isinstance(network, NetworkSpec):
        return network
    if network is not None:
        return network_spec(network)
    if checkpoint.spec is None:
        raise OptionError(
            f"{checkpoint.path} does not say which network it is.", fix="name it: --network r50_aotl"
        )
    return checkpoint.spec


def _memory(capacity: int, gap: int | None) -> MemoryInfo:
    if gap is None:
        return MemoryInfo(capacity=capacity, gap=PUBLISHED_GAP, gap_rule="length")
    return MemoryInfo(capacity=capacity, gap=gap, gap_rule="constant")


def _temporal_rows(network: SegmentationNetwork) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in network.mem_pos_emb.tolist())


def _provenance(checkpoint: Checkpoint, unknown: list[str]) -> Provenance:
    tools = {name: version(name) for name in ("ermu", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")}
    return Provenance(
        checkpoint=checkpoint.path.name,
        checkpoint_sha256=checkpoint.sha256,
        unknown_keys=tuple(unknown),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tools={"python": platform.python_version(), **tools},
        licence=LICENCE,
    )


def _put_in_place(folder: Path, out: Path) -> None:
    """Swaps the finished folder in; an older bundle is removed only after the new one stands."""
    if not out.exists():
        folder.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old / out.name)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)
