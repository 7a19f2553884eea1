"""Why a frame left the memory, from whatever figures its policy gives."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.runtime.memory.policy import Decision
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.streams.memory_history import MemoryHistory

SCORES, MEANS = np.array([9.0, 0.25, 2.0]), np.array([0.5, 0.125, 0.375])


@pytest.mark.parametrize(
    ("decision", "evicted", "reason"),
    [
        (Decision(1), 2, "own: the oldest of 3 after the first"),
        (Decision(2), 4, "own: its choice"),
        (Decision(1, relevance=MEANS, scores=SCORES), 2, "own: lowest score of 3, 0.250"),
        (
            Decision(1, relevance=MEANS, relevance_mean=MEANS, scores=SCORES),
            2,
            "own: lowest score of 3, 0.250, relevance 0.125",
        ),
    ],
)
def test_reasons(decision: Decision, evicted: int, reason: str) -> None:
    history = MemoryHistory()
    held = sorted({0, 2, 4, 6} - {evicted})
    history.observe(6, [MemoryUpdate(0, [1], held, evicted, decision)], "own")
    (group,) = history.as_json()
    assert [record["reason"] for record in group["evictions"]] == [reason]
    assert history.evictions == 1


def test_frames_that_a_correction_took_away_are_told_and_may_come_back() -> None:
    history = MemoryHistory()
    for held in ([0, 2, 4], [0, 4, 5], [0, 2, 4]):
        history.observe(5, [MemoryUpdate(0, [1], held, None, Decision())], "ermu")
    (group,) = history.as_json()
    assert [(record["frame"], record["at"]) for record in group["evictions"]] == [(2, 5), (5, 5)]
    assert {record["reason"] for record in group["evictions"]} == {"an object was corrected, or that undone"}
    assert [entry["frame"] for entry in group["held"]] == [0, 2, 4]
