"""Other processes' processor time, against psutil's account of the machine."""

from __future__ import annotations

import os
from time import monotonic, process_time

import psutil
import pytest

from ermu.runtime.timing.other_work import OtherWork


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def test_what_this_process_does_is_not_counted() -> None:
    """It is busy all the time; what is left of the machine's busy seconds is the others'."""
    began, own, all_of_it, others = monotonic(), process_time(), _busy(), OtherWork()
    while monotonic() - began < 1.5:
        pass
    found, seconds = others.cores(), monotonic() - began
    own, all_of_it = process_time() - own, _busy() - all_of_it
    assert found is not None
    assert found == pytest.approx((all_of_it - own) / seconds, abs=0.15)
    assert found + own / seconds < (os.cpu_count() or 1) + 0.15
