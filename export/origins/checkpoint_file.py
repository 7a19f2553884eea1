"""A checkpoint's file of the AOT family, as published or as `ermu train` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ermu.errors import OptionError
from ermu.export.checkpoint import Checkpoint, load_checkpoint
from ermu.export.graphs import build_graphs, build_plans
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.recognition import build_network, ignored_keys, recognise
from ermu.export.network.spec import NetworkSpec
from ermu.export.origins.origin import Exportable, ExportOptions, Origin, listed_file, provenance
from ermu.kernels.base.resampling import BICUBIC
from ermu.registries import FAMILIES
from ermu.runtime.bundle.group_manifest import GroupManifest, GroupNetwork
from ermu.runtime.bundle.manifest import FORMAT_VERSION, Manifest
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, InputInfo, MemoryInfo, ScoreInfo
from ermu.runtime.bundle.sizes import LONG_EDGE, GridRule
from ermu.runtime.memory.options import MemoryOptions

CAPACITY = 9
IDENTITY = "identity.npz"
RELATIVE_VALUES = "relative_values.npz"


class ExportableCheckpoint(Exportable):
    """A network of the AOT family.

    Args:
        checkpoint: The file, read.
        options: What was asked for.
    """

    def __init__(self, checkpoint: Checkpoint, options: ExportOptions) -> None:
        network = options.network
        spec = network if isinstance(network, NetworkSpec) else recognise(checkpoint, network)
        _check_size(options.size, spec.grid)
        self._memory, self._score = _memory(spec, options), _score(spec, options)
        self._checkpoint, self._options = checkpoint, options
        self._network = build_network(checkpoint, spec)
        self.graphs = build_graphs(self._network, options.image_dtype)
        self.grid, self.size = spec.grid, options.size

    def manifest(self, folder: Path, graphs: dict[str, GraphInfo], weights: FileInfo) -> Manifest:
        """See `Exportable.manifest`."""
        options, checkpoint = self._options, self._checkpoint
        ignored = ignored_keys(checkpoint.weights, self._network.spec)
        return GroupManifest(
            memory=self._memory,
            input=InputInfo(
                size=options.size,
                dtype=options.image_dtype,  # type: ignore[arg-type]
                long_edge=LONG_EDGE if options.long_edge is None else options.long_edge,
                resampling=options.resampling or BICUBIC,  # type: ignore[arg-type]
            ),
            graphs=graphs,
            weights=(weights,),
            provenance=provenance(checkpoint.path.name, checkpoint.sha256, ignored=ignored),
            **network_fields(self._network, folder, self._score),
        )


class CheckpointFile(Origin):
    """A .pth or .safetensors file; also whatever nobody else takes, which reading it refuses."""

    def takes(self, path: Path) -> bool:
        """See `Origin.takes`."""
        return True

    def read(self, path: Path, options: ExportOptions) -> Exportable:
        """See `Origin.read`."""
        return ExportableCheckpoint(load_checkpoint(path), options)


def network_fields(network: SegmentationNetwork, folder: Path, score: ScoreInfo) -> dict[str, Any]:
    """The manifest's fields that follow from the network; writes the weights that kernels read."""
    return {
        "format_version": FORMAT_VERSION,
        "network": GroupNetwork(**network.spec.to_dict()),
        "score": score,
        "temporal_rows": _temporal_rows(network),
        "precision": "fp32",
        "plans": build_plans(network),
        "identity": _write_identity(network, folder / IDENTITY),
        "relative_values": _write_relative_values(network, folder / RELATIVE_VALUES),
    }


def _write_identity(network: SegmentationNetwork, path: Path) -> FileInfo:
    state = network.patch_wise_id_bank.state_dict()
    np.savez(path, weight=state["weight"].numpy(), bias=state["bias"].numpy())
    return listed_file(path)


def _write_relative_values(network: SegmentationNetwork, path: Path) -> FileInfo | None:
    values = FAMILIES.get(network.spec.family).relative_values(network)
    if not values:
        return None
    arrays: dict[str, Any] = {f"block{i}": value.detach().contiguous().numpy() for i, value in values.items()}
    np.savez(path, **arrays)
    return listed_file(path)


def _check_size(size: tuple[int, int] | None, rule: GridRule) -> None:
    if size is not None and not rule.fits(size):
        raise OptionError(
            f"Size {size[0]}x{size[1]} does not fit the network.",
            expected=f"height and width of the form {rule.form}, at least {rule.smallest}, "
            f"such as {rule.example}",
        )


def _memory(spec: NetworkSpec, options: ExportOptions) -> MemoryInfo:
    """The bundle's defaults: the published ones of the network where nothing else is asked for."""
    gap = spec.gap if options.gap is None else options.gap
    capacity = CAPACITY if options.capacity is None else options.capacity
    meant = MemoryOptions(options.policy or spec.policy, capacity, gap)
    grows = options.gap is None and spec.gap_grows
    return MemoryInfo(
        policy=meant.policy,
        capacity=meant.capacity,
        gap=meant.gap,
        gap_rule="length" if grows else "constant",
    )


def _score(spec: NetworkSpec, options: ExportOptions) -> ScoreInfo:
    """ERMU's constants: the family's, with the relevance's weight where one is given."""
    score, weight = FAMILIES.get(spec.family).score, options.relevance_weight
    if weight is None:
        return score
    if not 0 <= weight < float("inf"):
        raise OptionError(f"The relevance's weight is {weight}.", expected="a number, 0 or more")
    return score.model_copy(update={"relevance_weight": float(weight)})


def _temporal_rows(network: SegmentationNetwork) -> tuple[tuple[float, ...], ...]:
    if network.mem_pos_emb is None:
        return ()
    return tuple(tuple(row) for row in network.mem_pos_emb.tolist())
