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
from ermu.export.checkpoint import Checkpoint, load_checkpoint
from ermu.export.graph import Graph
from ermu.export.graphs import build_graphs, build_plans
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.recognition import build_network, ignored_keys, recognise
from ermu.export.network.spec import NetworkSpec
from ermu.export.onnx_writer import difference_to_torch, write_onnx
from ermu.export.weights import WeightsFile
from ermu.kernels.base.resampling import BICUBIC, FILTERS
from ermu.registries import FAMILIES
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.group_manifest import GroupManifest, GroupNetwork
from ermu.runtime.bundle.manifest import FORMAT_VERSION
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, InputInfo, MemoryInfo, Provenance
from ermu.runtime.bundle.sizes import LONG_EDGE, GridRule
from ermu.runtime.files import sha256_of, swap_folder
from ermu.runtime.memory.options import MemoryOptions

LICENCE = (
    "The graphs contain the weights of the checkpoint named here and stay under that checkpoint's licence; "
    "ERMU itself is Apache-2.0."
)
OPSETS = range(18, 22)
WEIGHTS = "weights.bin"
IDENTITY = "identity.npz"
RELATIVE_VALUES = "relative_values.npz"

Progress = Callable[[str, int, int], None]


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    *,
    network: str | NetworkSpec | None = None,
    size: tuple[int, int] | None = None,
    policy: str | None = None,
    capacity: int = 9,
    gap: int | None = None,
    long_edge: int = LONG_EDGE,
    image_dtype: str = "float32",
    resampling: str = BICUBIC,
    opset: int = 20,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Exports a checkpoint to a bundle.

    Args:
        checkpoint: A .pth file of a known network, or one that carries its description.
        out: Folder to create; replaced as a whole with `overwrite`, and only after everything succeeded.
        network: Name, which the checkpoint is checked against, or description; left out, the checkpoint's
            keys and shapes say it.
        size: Network input (height, width) to fix the graphs to; None keeps them dynamic.
        policy: Default eviction policy; None, the published one of the network.
        capacity: Default number of memory frames.
        gap: Default number of frames between two appends to the memory bank, for clips of any length; None,
            the network's published rule.
        long_edge: Frames with a longer edge are scaled down to it by default.
        image_dtype: `float32` for frames resized exactly, `uint8` for frames rounded back to bytes.
        resampling: `bicubic`, as published, or `antialiased`, for networks that were trained so.
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
    """
    out = Path(out)
    tell = progress or (lambda what, step, steps: None)
    _check_arguments(out, image_dtype, opset, overwrite)
    if resampling not in FILTERS:
        raise OptionError(f"Unknown resampling '{resampling}'.", expected=" or ".join(FILTERS))
    loaded = load_checkpoint(Path(checkpoint))
    spec = network if isinstance(network, NetworkSpec) else recognise(loaded, network)
    _check_size(size, spec.grid)
    memory = _memory(spec, policy, capacity, gap)
    model = build_network(loaded, spec)
    graphs = build_graphs(model, image_dtype)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        weights = WeightsFile(folder / WEIGHTS)
        described = _write_graphs(graphs, folder, weights, (spec.grid, size), opset, tell)
        manifest = GroupManifest(
            memory=memory,
            input=InputInfo(
                size=size,
                dtype=image_dtype,  # type: ignore[arg-type]
                long_edge=long_edge,
                resampling=resampling,  # type: ignore[arg-type]
            ),
            graphs=described,
            weights=(_listed(weights.path),),
            provenance=_provenance(loaded, spec),
            **network_fields(model, folder),
        )
        (folder / "manifest.json").write_text(manifest.to_json())
        folder.chmod(0o755)
        _put_in_place(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell("done", 2 * len(described), 2 * len(described))
    return Bundle.load(out)


def network_fields(network: SegmentationNetwork, folder: Path) -> dict[str, Any]:
    """The manifest's fields that follow from the network; writes the weights that kernels read."""
    return {
        "format_version": FORMAT_VERSION,
        "network": GroupNetwork(**network.spec.to_dict()),
        "score": FAMILIES.get(network.spec.family).score,
        "temporal_rows": _temporal_rows(network),
        "precision": "fp32",
        "plans": build_plans(network),
        "identity": _write_identity(network, folder / IDENTITY),
        "relative_values": _write_relative_values(network, folder / RELATIVE_VALUES),
    }


def _write_graphs(
    graphs: list[Graph],
    folder: Path,
    weights: WeightsFile,
    sizes: tuple[GridRule, tuple[int, int] | None],
    opset: int,
    tell: Progress,
) -> dict[str, GraphInfo]:
    rule, fixed_hw = sizes
    described: dict[str, GraphInfo] = {}
    for i, graph in enumerate(graphs):
        path = folder / f"{graph.name}.onnx"
        tell(f"trace {graph.name}", 2 * i, 2 * len(graphs))
        write_onnx(graph, path, weights, rule=rule, opset=opset, fixed_hw=fixed_hw)
        tell(f"check {graph.name}", 2 * i + 1, 2 * len(graphs))
        described[graph.name] = GraphInfo(
            file=path.name,
            sha256=sha256_of(path),
            inputs=graph.inputs,
            outputs=graph.outputs,
            max_difference=difference_to_torch(graph, path, rule=rule, fixed_hw=fixed_hw),
        )
    return described


def _write_identity(network: SegmentationNetwork, path: Path) -> FileInfo:
    state = network.patch_wise_id_bank.state_dict()
    np.savez(path, weight=state["weight"].numpy(), bias=state["bias"].numpy())
    return _listed(path)


def _write_relative_values(network: SegmentationNetwork, path: Path) -> FileInfo | None:
    values = FAMILIES.get(network.spec.family).relative_values(network)
    if not values:
        return None
    arrays: dict[str, Any] = {f"block{i}": value.detach().contiguous().numpy() for i, value in values.items()}
    np.savez(path, **arrays)
    return _listed(path)


def _listed(path: Path) -> FileInfo:
    return FileInfo(file=path.name, sha256=sha256_of(path))


def _check_size(size: tuple[int, int] | None, rule: GridRule) -> None:
    if size is not None and not rule.fits(size):
        raise OptionError(
            f"Size {size[0]}x{size[1]} does not fit the network.",
            expected=f"height and width of the form {rule.form}, at least {rule.smallest}, "
            f"such as {rule.example}",
        )


def _check_arguments(out: Path, image_dtype: str, opset: int, overwrite: bool) -> None:
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
    if opset not in OPSETS:
        raise OptionError(f"Opset {opset} is not supported.", expected=f"{OPSETS[0]} to {OPSETS[-1]}")


def _memory(spec: NetworkSpec, policy: str | None, capacity: int, gap: int | None) -> MemoryInfo:
    """The bundle's defaults: the published ones of the network where nothing else is asked for."""
    options = MemoryOptions(policy or spec.policy, capacity, spec.gap if gap is None else gap)
    grows = gap is None and spec.gap_grows
    return MemoryInfo(
        policy=options.policy,
        capacity=options.capacity,
        gap=options.gap,
        gap_rule="length" if grows else "constant",
    )


def _temporal_rows(network: SegmentationNetwork) -> tuple[tuple[float, ...], ...]:
    if network.mem_pos_emb is None:
        return ()
    return tuple(tuple(row) for row in network.mem_pos_emb.tolist())


def _provenance(checkpoint: Checkpoint, spec: NetworkSpec) -> Provenance:
    tools = {name: version(name) for name in ("ermu", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")}
    return Provenance(
        checkpoint=checkpoint.path.name,
        checkpoint_sha256=checkpoint.sha256,
        ignored_keys=ignored_keys(checkpoint.weights, spec),
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
    swap_folder(folder, out, old / out.name)
    shutil.rmtree(old, ignore_errors=True)
