"""A peer: another way of running the same network behind the runtime's own frame loop, or another system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ermu.assets import DEMO_BUNDLE, DEMO_CHECKPOINT
from ermu.benchmarks.systems.system import System
from ermu.devices.host import HostDevice
from ermu.errors import BenchmarkError, DependencyError
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.base import Backend, Opening
from ermu.runtime.bundle.bundle import FP32, Bundle
from ermu.runtime.bundle.group_manifest import GroupManifest
from ermu.runtime.bundle.manifest import WHOLE


@dataclass(frozen=True)
class PeerOptions:
    """What a peer is opened with.

    Attributes:
        bundle: At its own precision.
        threads: Of the peer.
        memory: T, at which it will be timed.
        precision: Of ours.
        checkpoint: Of the bundle, where it was given.
        weights: The peer's own, where they were given.
    """

    bundle: Bundle
    threads: int
    memory: int
    precision: str = FP32
    checkpoint: Path | None = None
    weights: Path | None = None

    def opening(self, precision: str | None = None) -> Opening:
        """The plan `whole` on the host; preparing frames, labels and scoring are our kernels'.

        Args:
            precision: Of the bundle; default, its own.
        """
        device = HostDevice()
        kernels = load_kernels(device, threads=self.threads)
        bundle = self.bundle if precision is None else self.bundle.at_precision(precision)
        return Opening(bundle, WHOLE, device, kernels, self.threads)


class Peer(ABC):
    """A peer is a subclass in a module of its own (`ermu.benchmarks.peers`), whose `PLUGIN` is an instance.

    Attributes:
        help: In a line.
        weights: What `--against NAME=PATH` may name, of a peer with weights of its own; None, it has none.
    """

    help: str
    weights: str | None = None

    def precision(self, options: PeerOptions) -> str:
        """What it computes in beside ours: the most that it gains by, and no less than the bundle's own."""
        return options.bundle.manifest.precision

    def serves(self, bundle: Bundle) -> bool:
        """Whether it runs a bundle's network, or one of its own beside it."""
        return True

    @abstractmethod
    def open(self, options: PeerOptions) -> Backend | System:
        """The peer as a backend for the bundle's network, or as a system of its own.

        Raises:
            BenchmarkError: it needs what was not given.
            DependencyError: its package is not installed.
        """


class TorchPeer(Peer):
    """A peer that runs the bundle's network in torch, which it builds from the checkpoint: AOT's alone."""

    def serves(self, bundle: Bundle) -> bool:
        """See `Peer.serves`."""
        return isinstance(bundle.manifest, GroupManifest)


def checkpoint_of(options: PeerOptions, peer: str) -> Path:
    """The checkpoint behind the bundle, for peers in torch; the demo's is known.

    Raises:
        BenchmarkError: it was not given.
        DependencyError: torch is not installed.
    """
    if find_spec("torch") is None:
        raise DependencyError("torch", f"The peer {peer}", "export")
    if options.checkpoint is not None:
        return options.checkpoint
    bundle = options.bundle
    if bundle.path.resolve() == DEMO_BUNDLE.resolve():
        return DEMO_CHECKPOINT
    raise BenchmarkError(
        f"The peer {peer} needs the weights that {bundle.path} was exported from.",
        fix=f"--checkpoint F.pth ({bundle.manifest.provenance.checkpoint})",
    )
