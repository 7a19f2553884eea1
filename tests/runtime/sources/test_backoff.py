"""Pauses between tries."""

from __future__ import annotations

import pytest

from ermu.errors import OptionError
from ermu.runtime.sources.backoff import Backoff


def test_pauses_double_up_to_a_limit_and_begin_anew_after_a_frame() -> None:
    backoff = Backoff(first=1, limit=6, jitter=0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 6, 6]
    backoff.reset()
    assert backoff.next() == 1
    jittered = [Backoff(first=1, jitter=0.25).next() for _ in range(200)]
    assert min(jittered) >= 0.75 and max(jittered) <= 1.25 and len(set(jittered)) > 100


@pytest.mark.parametrize("options", [{"first": 0}, {"first": 2, "limit": 1}, {"jitter": 1.5}])
def test_waits_that_are_none(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        Backoff(**options)
