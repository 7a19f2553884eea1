"""The stream of batches: what a step sees depends on its number alone."""

from __future__ import annotations

from typing import Any

from ermu.training.config import TrainingConfig
from ermu.training.data.stream import batches


def test_stream_goes_on_where_it_is_asked_to(tiny: dict[str, Any]) -> None:
    config = TrainingConfig(**tiny)
    whole = list(batches(config, 0))
    assert len(whole) == 8
    assert [tuple(batch.frames.shape) for batch in whole[3:5]] == [(3, 2, 3, 65, 65), (4, 1, 3, 49, 49)]
    for later, batch in zip(batches(config, 3), whole[3:], strict=True):
        assert (later.frames == batch.frames).all() and (later.labels == batch.labels).all()


def test_processes_see_different_clips(tiny: dict[str, Any]) -> None:
    config = TrainingConfig(**tiny)
    first, second = (next(batches(config, 1, rank, 2)) for rank in (0, 1))
    assert (first.frames != second.frames).any()
