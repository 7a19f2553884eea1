"""The model of more cores than there are, against cases done by hand, and its measure run for real."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ermu.benchmarks.scaling.cores import hindrance, modelled
from ermu.errors import BenchmarkError


def test_two_cores_say_how_much_lanes_hinder_each_other() -> None:
    # Amdahl: 16 = 2 * 10 / (1 + s), so s = 1/4; four cores: 40 / (1 + 3/4)
    assert hindrance({1: 10.0, 2: 16.0}) == pytest.approx(0.25)
    assert modelled(4, 10.0, 0.25, host_ms=1.0) == pytest.approx(40 / 1.75)


def test_the_interpreter_is_the_last_limit() -> None:
    assert modelled(16, 100.0, 0.0, host_ms=2.0) == 500.0


def test_points_that_agree_with_the_law_give_its_share_back() -> None:
    law = {n: 7.0 * n / (1 + 0.03 * (n - 1)) for n in (1, 2, 4, 8)}
    assert hindrance(law) == pytest.approx(0.03)
    assert hindrance({1: 10.0, 2: 21.0}) == 0.0


@pytest.mark.parametrize("measured", [{}, {1: 10.0}, {2: 10.0, 4: 19.0}])
def test_without_one_core_and_another_there_is_no_model(measured: dict[int, float]) -> None:
    with pytest.raises(BenchmarkError, match="one core and more"):
        hindrance(measured)


def test_it_is_measured_here() -> None:
    command = [sys.executable, "-m", "ermu.benchmarks.scaling.cores", "--frames", "5", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert min(told["measured_fps"].values()) > 0
    assert told["modelled_fps"]["16"] <= 16 * told["measured_fps"]["1"] * 1.001
