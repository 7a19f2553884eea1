"""A benchmark's options with every value settled: the bundle loaded, whole gap cycles, threads counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ermu.benchmarks.candidates.candidate import Candidate
from ermu.benchmarks.candidates.segmenter import SegmenterCandidate
from ermu.benchmarks.candidates.system import SystemCandidate
from ermu.benchmarks.options import BenchOptions, NamedPeer
from ermu.benchmarks.peer import PeerOptions
from ermu.benchmarks.systems.system import System
from ermu.devices.processors import usable_processors
from ermu.errors import OptionError
from ermu.registries import PEERS
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.choosing import choose_backend, choose_precision
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.group_manifest import GroupManifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.bundle.sizes import SizeLimits
from ermu.runtime.memory.objects.bank import Limits
from ermu.runtime.segmenter import Segmenter

logger = logging.getLogger("ermu.benchmarks")

OURS = "ours"
_GAP = 5  # of a bundle that never appends in the frames timed, where more memory is asked for


@dataclass(frozen=True)
class Plan:
    """What will run.

    Attributes:
        options: As asked.
        bundle: At its own precision, which peers run.
        precision: Of ours.
        backend: Of ours.
        policy: Of everybody.
        memory: T.
        gap: Frames between two appends.
        frames: Timed, whole gap cycles.
        warmup: Before them, whole gap cycles.
        threads: Of each candidate.
    """

    options: BenchOptions
    bundle: Bundle
    precision: str
    backend: str
    policy: str
    memory: int
    gap: int
    frames: int
    warmup: int
    threads: int

    @classmethod
    def of(cls, options: BenchOptions) -> Plan:
        """Settles what the options leave to the bundle.

        Raises:
            BundleError: the bundle cannot be loaded, or lacks the precision.
            BackendError: no backend runs it here.
        """
        bundle = Bundle.load(options.bundle)
        precision = choose_precision(
            bundle, options.precision, options.device, backend=options.backend, threads=options.threads
        )
        at_precision = bundle.at_precision(precision)
        usual, grouped = bundle.manifest.memory, isinstance(bundle.manifest, GroupManifest)
        alone = usual.gap > options.frames  # it keeps its first frame
        gap = options.gap or (_GAP if alone else usual.gap)
        return cls(
            options=options,
            bundle=bundle,
            precision=precision,
            backend=choose_backend(at_precision, options.backend, options.device, threads=options.threads),
            policy=options.policy or ("ermu" if grouped else usual.policy),
            memory=options.memory or (1 if alone else usual.capacity),
            gap=gap,
            frames=-(-options.frames // gap) * gap,
            warmup=-(-options.warmup // gap) * gap,
            threads=options.threads or usable_processors(),
        )

    @property
    def frames_needed(self) -> int:
        """Frames of the clip: to fill the memory, to warm up, to time."""
        return self.lead + self.frames

    @property
    def lead(self) -> int:
        """Frames before the first that is timed, where none is shown twice."""
        return max(self.memory + self.warmup, self.settles)

    @property
    def settles(self) -> int:
        """Frames until each asks for the same work: the bank is full by then, and so are the pointers."""
        manifest, held = self.bundle.manifest, self.memory
        if isinstance(manifest, ObjectManifest):
            held = Limits(self.memory, manifest.most_pointers).settled
        return held + 1

    @property
    def long_edge(self) -> int:
        """The long edge that brings a frame to the network size asked for."""
        return max(self.options.size) if self.options.size else self.bundle.manifest.input.long_edge

    def network_hw(self, source_hw: tuple[int, int]) -> tuple[int, int]:
        """Network input size for frames of a size."""
        manifest, limits = self.bundle.manifest, SizeLimits(self.long_edge)
        return manifest.input.size or manifest.network.grid.network_size(source_hw, limits)

    def ours(self) -> SegmenterCandidate:
        """The runtime as a user has it."""
        options = self.options
        segmenter = Segmenter(
            self.bundle,
            precision=self.precision,
            device=options.device,
            backend=self.backend,
            threads=self.threads,
            policy=self.policy,
            capacity=max(self.memory, 2),
            long_edge=self.long_edge,
        )
        description = f"ermu, {self.precision}, {self.backend} on {options.device}"
        return self.followed(segmenter, OURS, description)

    def followed(
        self,
        segmenter: Segmenter,
        name: str = OURS,
        description: str = "",
        precision: str | None = None,
        backend: Backend | None = None,
    ) -> SegmenterCandidate:
        """A segmenter as a candidate; a backend that was lent to it is closed with it."""
        precision = precision or self.precision
        return SegmenterCandidate(
            name, description, precision, self.gap, self.settles, segmenter, self.memory, backend
        )

    def peer(self, named: NamedPeer) -> Candidate:
        """A peer behind the same frame loop, with our preparation, label and scoring kernels; or a system."""
        peer = PEERS.get(named.name)
        options = PeerOptions(
            self.bundle, self.threads, self.memory, self.precision, self.options.checkpoint, named.weights
        )
        opened, precision = peer.open(options), peer.precision(options)
        if isinstance(opened, System):
            return SystemCandidate(named.name, peer.help, precision, self.gap, opened.settles, opened)
        segmenter = Segmenter(
            self.bundle,
            backend=opened,
            policy=self.policy,
            capacity=max(self.memory, 2),
            long_edge=self.long_edge,
        )
        return self.followed(segmenter, named.name, peer.help, precision, opened)


def check_serving(plan: Plan) -> None:
    """Refuses peers that do not run such a bundle's network.

    Raises:
        OptionError: one does not.
    """
    for named in plan.options.peers:
        if not PEERS.get(named.name).serves(plan.bundle):
            able = [name for name, peer in PEERS.loadable(logger) if peer.serves(plan.bundle)]
            network = plan.bundle.manifest.network.name
            raise OptionError(
                f"The peer {named.name} does not serve the network {network}.", expected=", ".join(able)
            )


def check_peers(options: BenchOptions) -> None:
    """Refuses peers that there are not, and weights that one does not take, before anything is timed.

    Raises:
        OptionError: there is no such peer, or it has no weights of its own.
    """
    for named in options.peers:
        peer = PEERS.get(named.name)
        if named.weights is not None and peer.weights is None:
            raise OptionError(
                f"The peer {named.name} runs the bundle's network and takes no weights of its own.",
                fix=f"--against {named.name}",
            )
