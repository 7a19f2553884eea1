"""What makes a run's label maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ermu.errors import DatasetError, OptionError
from ermu.registries import BASELINES

SMALLEST_SCALE, LARGEST_SCALE = 0.25, 4.0
_OF_SEGMENTERS = ("policy", "capacity", "identities", "backend", "precision", "device", "threads")


@dataclass(frozen=True)
class View:
    """One way to see a frame: `scale` times the usual size, mirrored where `flip`."""

    scale: float
    flip: bool


@dataclass(frozen=True)
class RunSettings:
    """How label maps are made; equal settings can go on where a run stopped.

    Attributes:
        bundle: Folder of the bundle, None with a baseline.
        baseline: Name of one, None with a bundle.
        policy: Eviction policy of the memory bank.
        capacity: Memory frames; None for the bundle's own.
        gap: Frames between appends; None for the bundle's rule.
        long_edge: Larger frames are scaled down to it; None for the bundle's own.
        identities: As in `Segmenter`.
        scales: Sizes at which every frame is seen, 1 being the usual one.
        flip: Whether it is seen mirrored as well.
        backend: That runs the bundle's graphs.
        precision: None for the bundle's own.
        device: 'cpu', 'cuda', or 'cuda:1' for another than the first GPU.
        threads: CPU threads; None for all cores.
    """

    bundle: str | None = None
    baseline: str | None = None
    policy: str = "ermu"
    capacity: int | None = None
    gap: int | None = None
    long_edge: int | None = None
    identities: str = "present"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    backend: str = "auto"
    precision: str | None = None
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        if (self.bundle is None) == (self.baseline is None):
            raise DatasetError(
                "A run needs something that makes label maps, and only one.",
                expected="a bundle or a baseline",
                fix="give --bundle BUNDLE or --baseline flow",
            )
        if self.baseline is not None:
            BASELINES.get(self.baseline)
        if not self.scales or not all(SMALLEST_SCALE <= scale <= LARGEST_SCALE for scale in self.scales):
            raise OptionError(
                f"The scales are {', '.join(map(str, self.scales)) or 'none'}.",
                expected=f"numbers from {SMALLEST_SCALE} to {LARGEST_SCALE}, such as 1.0,1.3",
            )

    @property
    def name(self) -> str:
        """What the run is called in tables: the baseline's name or the policy's."""
        return self.baseline or self.policy

    def keywords(self) -> dict[str, Any]:
        """What `Segmenter` and `SharedBackend` take of it, but the sizes, in which views differ."""
        return {name: getattr(self, name) for name in _OF_SEGMENTERS}

    @property
    def views(self) -> tuple[View, ...]:
        """How each frame is seen: at every scale, and there mirrored as well where it is asked for."""
        mirrored = (False, True) if self.flip else (False,)
        return tuple(View(scale, flip) for scale in self.scales for flip in mirrored)
