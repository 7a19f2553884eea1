"""A benchmark's options with every value settled: the bundle loaded, whole gap cycles, threads counted."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.benchmarks.candidate import Candidate
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.peer import PeerOptions
from ermu.devices.processors import usable_processors
from ermu.registries import PEERS
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import SizeLimits, network_size
from ermu.runtime.segmenter import Segmenter

OURS = "ours"


@dataclass(frozen=True)
class Plan:
    """What will run.

    Attributes:
        options: As asked.
        bundle: At its own precision, which peers run.
        precision: Of ours.
        memory: T.
        gap: Frames between two appends.
        frames: Timed, whole gap cycles.
        warmup: Before them, whole gap cycles.
        threads: Of each candidate.
    """

    options: BenchOptions
    bundle: Bundle
    precision: str
    memory: int
    gap: int
    frames: int
    warmup: int
    threads: int

    @classmethod
    def of(cls, options: BenchOptions) -> Plan:
        """Settles what the options leave to the bundle.

        Raises:
            BundleError: the bundle cannot be loaded.
        """
        bundle = Bundle.load(options.bundle)
        gap = options.gap or bundle.manifest.memory.gap
        return cls(
            options=options,
            bundle=bundle,
            precision=options.precision or bundle.manifest.precision,
            memory=options.memory or bundle.manifest.memory.capacity,
            gap=gap,
            frames=-(-options.frames // gap) * gap,
            warmup=-(-options.warmup // gap) * gap,
            threads=options.threads or usable_processors(),
        )

    @property
    def frames_needed(self) -> int:
        """Frames of the clip: to fill the memory, to warm up, to time."""
        return self.memory + self.warmup + self.frames

    @property
    def long_edge(self) -> int:
        """The long edge that brings a frame to the network size asked for."""
        return max(self.options.size) if self.options.size else self.bundle.manifest.input.long_edge

    def network_hw(self, source_hw: tuple[int, int]) -> tuple[int, int]:
        """Network input size for frames of a size."""
        return self.bundle.manifest.input.size or network_size(source_hw, SizeLimits(self.long_edge))

    def ours(self) -> Candidate:
        """The runtime as a user has it."""
        options = self.options
        segmenter = Segmenter(
            self.bundle,
            precision=self.precision,
            device=options.device,
            backend=options.backend,
            threads=self.threads,
            policy=options.policy,
            capacity=max(self.memory, 2),
            long_edge=self.long_edge,
        )
        description = f"ermu, {self.precision}, {options.backend} on {options.device}"
        return Candidate(OURS, description, segmenter, self.memory, self.gap)

    def peer(self, name: str) -> Candidate:
        """A peer behind the same frame loop, with our preparation, label and scoring kernels."""
        peer = PEERS.get(name)
        options = PeerOptions(self.bundle, self.threads, self.memory, self.options.checkpoint)
        backend = peer.open(options)
        segmenter = Segmenter(
            self.bundle,
            backend=backend,
            policy=self.options.policy,
            capacity=max(self.memory, 2),
            long_edge=self.long_edge,
        )
        return Candidate(name, peer.help, segmenter, self.memory, self.gap, backend)
