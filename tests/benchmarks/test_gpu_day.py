"""The script for a lent GPU, rehearsed where there is none: it says of every step what is lacking."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_day.sh"
STEPS = ["machine", "doctor", "kernels", "racecheck", "memcheck", "backends", "bench", "predictions"]


def test_a_dry_run_lists_every_step_and_what_it_lacks(tmp_path):
    out = tmp_path / "day.json"
    environment = {**os.environ, "PYTHON": sys.executable}
    ran = subprocess.run(
        [SCRIPT, "--dry", out], env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    record = json.loads(out.read_text())
    assert record["dry"] and [step["name"] for step in record["steps"]] == STEPS
    assert all(re.match(r"ready$|lacks \S", step["state"]) for step in record["steps"])
    assert {step["name"]: step["state"] for step in record["steps"]}["doctor"] == "ready"


def test_all_steps_together_end_within_ten_minutes():
    limits = {
        name: int(seconds) for name, seconds in re.findall(r"^ *step (\S+) (\d+) ", SCRIPT.read_text(), re.M)
    }
    assert sum(limits.values()) + limits["$tool"] <= 600  # two tools
