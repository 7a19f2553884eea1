"""The measure of a start, run for real."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_start_is_measured_from_outside() -> None:
    command = [sys.executable, "-m", "ermu.benchmarks.measures.start_up", "--processes", "1", "--"]
    done = subprocess.run([*command, "--threads", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert 0 < said["python_ms"] < said["prompt_written_ms"] <= said["first_label_map_ms"]
    assert len(said["first_label_maps_ms"]) == 1


def test_what_fails_is_said() -> None:
    command = [sys.executable, "-m", "ermu.benchmarks.measures.start_up", "--processes", "1", "--"]
    done = subprocess.run([*command, "--policy", "none-such"], capture_output=True, text=True)
    assert done.returncode != 0 and "none-such" in done.stderr
