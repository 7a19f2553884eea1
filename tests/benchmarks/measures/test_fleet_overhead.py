"""What a fleet costs is told by medians of rounds in turns."""

from __future__ import annotations

import pytest

from ermu.benchmarks.measures.fleet_overhead import Measured, report


def test_the_cost_is_the_ratio_of_medians() -> None:
    serve = [Measured(fps, 30.0, p99, 2.0) for fps, p99 in ((20.0, 50.0), (10.0, 90.0), (22.0, 40.0))]
    fleet = [Measured(fps, 31.0, p99, 9.0) for fps, p99 in ((19.0, 53.0), (30.0, 52.0), (5.0, 80.0))]
    told = report({"serve": serve, "fleet": fleet})
    assert told["fps_ratio"] == pytest.approx(19.0 / 20.0)
    assert told["p99_more_ms"] == pytest.approx(3.0)
    assert [each["start_seconds"] for each in told["rounds"]["fleet"]] == [9.0] * 3
