"""Every backend and precision that runs a bundle here, timed in turns on the same frames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, cycle, islice
from statistics import median
from time import perf_counter, sleep

import numpy as np

from ermu.devices.names import parse_device
from ermu.devices.processor_kind import machine_kind
from ermu.devices.processors import usable_processors
from ermu.errors import BackendError, ErmuError
from ermu.runtime.bundle.bundle import BF16, FP32, Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.timing.other_work import OtherWork
from ermu.runtime.tuning.choosing import fitting
from ermu.runtime.tuning.measured import Measured, Timed, graphs_digest
from ermu.runtime.tuning.store import versions
from ermu.types import Image, LabelMap

Progress = Callable[[str, int, int], None]  # what is going on, steps done and their number
LONGEST_TURN = 5  # frames, where the gap between two appends is longer
_SETTLE_SECONDS = 0.05  # for thread pools that spin after their work, so that nobody pays for another's

logger = logging.getLogger("ermu.backends")


class _Candidate:
    """A segmenter, its times a frame and what it kept of the first one's label maps."""

    def __init__(self, bundle: Bundle, segmenter: Segmenter) -> None:
        self.bundle, self.segmenter = bundle, segmenter
        self.frame_ms: list[float] = []
        self.shares: list[float] = []

    def run(self, images: Sequence[Image]) -> list[LabelMap]:
        """Segments frames; returns their label maps, and keeps the mean time of one."""
        sleep(_SETTLE_SECONDS)
        began = perf_counter()
        labels = [self.segmenter.step(image).label for image in images]
        self.frame_ms.append(1e3 * (perf_counter() - began) / len(images))
        return labels

    def timed(self) -> Timed:
        manifest = self.bundle.manifest
        shares = [float(np.mean(self.shares))]
        variant = manifest.variants.get(manifest.precision)
        if variant is not None:
            shares.append(variant.comparison.pixel_agreement)
        return Timed(
            backend=self.segmenter.backend.name,
            precision=manifest.precision,
            graphs=graphs_digest(self.bundle),
            frame_ms=median(self.frame_ms),
            agreement=min(shares),
        )


def measure(
    bundle: Bundle,
    images: Sequence[Image],
    label: LabelMap,
    *,
    clip: str,
    device: str = "cpu",
    threads: int | None = None,
    turns: int = 6,
    progress: Progress = lambda what, step, steps: None,
) -> Measured:
    """Times every backend at every precision that runs here, the memory bank full.

    Each takes its turn over the same frames, a gap cycle a turn, so that a busy machine slows all alike. What
    cannot be opened is left out, with a line in the log.

    Args:
        bundle: At its own precision, with which the others' label maps are compared.
        images: BGR uint8 H x W x 3, at least two; played forth and back for as long as it takes.
        label: uint8 H x W of the first.
        clip: Their name, to be recorded.
        device: `cpu`, `cuda`, or `cuda:1` and so on.
        threads: CPU threads for each graph and kernel; default, the processors that this process may use.
        turns: Gap cycles that each is timed for.
        progress: Told what is going on.

    Raises:
        BackendError: nothing runs the bundle here.
        PromptError, SourceError: the label map or the frames do not fit.
    """
    memory = bundle.manifest.memory
    gap = min(memory.gap_for(None, None), LONGEST_TURN)
    frames = cycle(chain(images, images[-2:0:-1]))
    with ExitStack() as stack:
        candidates = [_Candidate(*each) for each in _opened(bundle, device, threads, stack)]
        if not candidates:
            raise BackendError(f"No backend runs {bundle.path} on {device}.", fix="ermu doctor")
        first = next(frames)
        for candidate in candidates:
            candidate.segmenter.gap = 1
            candidate.segmenter.start(first, label)
        others = OtherWork()
        for turn, count in enumerate([memory.capacity, gap, *[gap] * turns]):
            progress("timing" if turn > 1 else "filling the memories", turn, turns + 2)
            _take_turns(candidates, list(islice(frames, count)))
            if turn < 2:  # the filling, and a turn to warm up
                for candidate in candidates:
                    candidate.frame_ms.clear()
                    candidate.segmenter.gap = gap
        return Measured(
            fingerprint=bundle.fingerprint,
            machine=machine_kind(),
            device=str(parse_device(device)),
            threads=threads or usable_processors(),
            versions=versions(),
            clip=clip,
            others_cores=others.cores(),
            timed=tuple(candidate.timed() for candidate in candidates),
        )


def _take_turns(candidates: Sequence[_Candidate], images: Sequence[Image]) -> None:
    found = [candidate.run(images) for candidate in candidates]
    for candidate, labels in zip(candidates, found, strict=True):
        equal = [float(np.mean(ours == first)) for ours, first in zip(labels, found[0], strict=True)]
        candidate.shares += equal


def _opened(
    bundle: Bundle, device: str, threads: int | None, stack: ExitStack
) -> Iterator[tuple[Bundle, Segmenter]]:
    """A segmenter for each backend and precision that runs here, the bundle's own precision first."""
    on_gpu = parse_device(device).on_gpu
    rounded = [BF16] if bundle.manifest.precision == FP32 and not on_gpu else []
    for precision in [*bundle.precisions[:1], *rounded, *bundle.precisions[1:]]:
        at_precision = bundle.at_precision(precision)
        for name in fitting(at_precision, device):
            try:
                segmenter = Segmenter(at_precision, backend=name, device=device, threads=threads)
            except ErmuError as error:
                logger.info("%s in %s is not timed: %s", name, precision, error.problem)
                continue
            yield at_precision, stack.enter_context(segmenter)
