"""Runs a zoo network over its golden clip by the runtime's own loop, on any backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import torch

from ermu.devices.tensor import DeviceTensor
from ermu.export.bundle_writer import export_bundle
from ermu.export.checkpoint import load_checkpoint
from ermu.export.graphs import build_graphs
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.recognition import build_network, recognise
from ermu.export.origins.checkpoint_file import network_fields
from ermu.registries import FAMILIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.group_manifest import GroupManifest
from ermu.runtime.bundle.parts import GraphInfo, InputInfo, MemoryInfo, Provenance
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.encoder import FrameEncoder
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.groups import GroupSet
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.memory.workspace import Workspace
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Array, LabelMap
from tests.conftest import made_once
from tests.golden.synth import synth_state_dict
from tests.support.published_frames import published_frames
from tests.support.zoo.data import ZooClip, load_zoo, manifests

ADAPTED = ("f4", "f8", "f16")  # the features that the decoder's adapters make


@dataclass
class ZooRun:
    """What came out: of every frame the logits, the frames held while it was matched; z of the last.

    Label maps and memory updates are those of frames 1 on.
    """

    logits: list[Array] = field(default_factory=list)
    labels: list[LabelMap] = field(default_factory=list)
    held: list[list[int]] = field(default_factory=list)
    updates: list[MemoryUpdate] = field(default_factory=list)
    z: Array = field(default_factory=lambda: np.empty(0))


@published_frames()
def run_zoo(
    backend: Backend,
    clip: ZooClip,
    *,
    masks: Array | None = None,
    weak: bool = False,
    memory: MemoryOptions | None = None,
) -> ZooRun:
    """Segments the clip at its network size.

    Args:
        backend: Open, on a bundle of float images.
        clip: The golden run.
        masks: To remember in place of the predictions.
        weak: Scale the adapted features, as the weak run scales the adapters that make them.
        memory: Default, the clip's own rule.
    """
    grids = Grids(*clip.hw, backend.bundle.manifest.network.grid)
    encoder, workspace = FrameEncoder(backend, grids), Workspace(backend, grids)
    groups = GroupSet(backend, workspace, clip.hw, count())
    options, watch, run = memory or MemoryOptions("none", 9, clip.gap), Stopwatch(), ZooRun()
    for t, frame in enumerate(clip.frames):
        encoder.take(frame)
        encoder.encode()
        if weak:
            for name in ADAPTED:
                _scale(backend, encoder.features[name], clip.weak_factor)
        run.held.append(groups_memory(groups))
        if t == 0:
            ids = [int(i) for i in np.unique(clip.label) if i]
            groups.begin(ids, clip.label, encoder.features, options, frame=0, clock=0)
        else:
            run.labels.append(groups.segment(encoder.features, watch, frame=t))
            given = None if masks is None else masks[t - 1]
            run.updates += groups.remember(options, watch, frame=t, clock=t, label=given)
        run.logits.append(groups.logits()[0])
        run.z = np.array(backend.device.kernel_argument(workspace.of(1)["z"]))
    return run


def groups_memory(groups: GroupSet) -> list[int]:
    """The frames that the first group holds."""
    return next((group.bank.frames for group in groups), [])


def _scale(backend: Backend, tensor: DeviceTensor, factor: float) -> None:
    backend.device.kernel_argument(tensor)[...] *= np.float32(factor)


def zoo_weights(name: str) -> dict[str, torch.Tensor]:
    """The weights that a zoo network's golden run was made with; constant buffers are not drawn."""
    drawn = {k: v for k, v in manifests()[name].items() if not k.endswith("relative_position_index")}
    return {k: torch.from_numpy(v) for k, v in synth_state_dict(drawn, load_zoo(name).seed).items()}


def write_zoo_checkpoint(name: str, path: Path) -> None:
    """Those weights as a published file has them."""
    torch.save({"state_dict": zoo_weights(name)}, path)


def zoo_bundle(name: str) -> Bundle:
    """A zoo network's bundle with those weights, for float images as the golden run had; shared."""

    def make(path: Path) -> None:
        checkpoint = path.with_name(f"zoo_{name}.pth")
        write_zoo_checkpoint(name, checkpoint)
        said = f"zoo_{name}" if name.endswith("b") else None  # B's weights are L's
        export_bundle(checkpoint, path, network=said, image_dtype="float32")

    return Bundle.load(made_once(f"zoo_{name}", make))


def torch_network(name: str, folder: Path) -> tuple[Bundle, SegmentationNetwork]:
    """A zoo network in torch, and the manifest of its bundle, without graphs on the disk."""
    path = folder / f"{name}.pth"
    write_zoo_checkpoint(name, path)
    checkpoint = load_checkpoint(path)
    network = build_network(checkpoint, recognise(checkpoint, f"zoo_{name}"))
    return unwritten_bundle(network, folder), network


def unwritten_bundle(network: SegmentationNetwork, folder: Path) -> Bundle:
    """The bundle of a network for float images, of which only the manifest and the identity bank exist."""
    graphs = {
        g.name: GraphInfo(file=g.name, sha256="", inputs=g.inputs, outputs=g.outputs, max_difference=0)
        for g in build_graphs(network, "float32")
    }
    manifest = GroupManifest(
        memory=MemoryInfo(policy=network.spec.policy, capacity=9, gap=network.spec.gap, gap_rule="constant"),
        input=InputInfo(size=None, dtype="float32", long_edge=1040),
        graphs=graphs,
        provenance=Provenance(
            checkpoint="", checkpoint_sha256="", ignored_keys=(), created="", tools={}, licence=""
        ),
        **network_fields(network, folder, FAMILIES.get(network.spec.family).score),
    )
    return Bundle(folder, manifest)
