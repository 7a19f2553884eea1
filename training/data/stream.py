"""The endless, reproducible stream of batches: what a step sees depends on its number and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ermu.errors import ErmuError
from ermu.training.config import TrainingConfig
from ermu.training.data.clip import Batch
from ermu.training.data.sources.mixture import open_sources


class _Steps(IterableDataset[Batch | ErmuError]):
    """The batches from a step on; with several workers, each makes every n-th.

    An error of ours comes as an item: what a worker raises reaches the user as text with a traceback in it.
    """

    def __init__(self, config: TrainingConfig, first_step: int, rank: int, processes: int) -> None:
        self._config, self._first, self._rank, self._processes = config, first_step, rank, processes

    def __iter__(self) -> Iterator[Batch | ErmuError]:
        try:
            yield from self._batches()
        except ErmuError as error:
            yield error

    def _batches(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        source = open_sources(self._config.data, self._config.seed)
        for step in range(self._first + offset, self._config.steps, stride):
            phase = self._config.phase(step)
            first = (self._clips_before(step) * self._processes) + self._rank * phase.batch
            yield Batch.of([source.clip(first + i, phase) for i in range(phase.batch)])

    def _clips_before(self, step: int) -> int:
        """Clips that one process has seen before a step."""
        starts = self._config.phase_starts()
        ends = [*starts[1:], self._config.steps]
        return sum(
            max(0, min(step, end) - start) * phase.batch
            for phase, start, end in zip(self._config.phases, starts, ends, strict=True)
        )


def batches(config: TrainingConfig, first_step: int, rank: int = 0, processes: int = 1) -> Iterator[Batch]:
    """The batches of one process, from `first_step` to the end of the training.

    Args:
        config: The training.
        first_step: Where to begin; a resumed training gets what it would have got.
        rank: Number of this process.
        processes: Processes that train together.

    Raises:
        ErmuError: a source cannot give its clips.
    """
    steps = _Steps(config, first_step, rank, processes)
    workers = config.data.workers
    loader = DataLoader(
        steps,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    for batch in loader:
        if isinstance(batch, ErmuError):
            raise batch
        yield batch
