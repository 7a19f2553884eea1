"""The soak, short: nothing leaks and no id goes astray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ermu.benchmarks.soak import soak

ROOT = Path(__file__).parents[2]


def test_three_thousand_frames(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    command = [sys.executable, "benchmarks/soak.py", "--bundle", str(tiny_bundle), "--frames", "3000"]
    run = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    figures = json.loads(out.read_text())
    assert figures["late"]["frames"] >= 3000
    assert figures["added"] + figures["removed"] >= 60
    assert figures["detected"] >= 20 and figures["refined"] >= 15 and figures["undone"] >= 5
    assert figures["astray"] == 0
    assert figures["reconnects"] >= 4


def test_saved_and_restored_on_the_way(tiny_bundle: Path) -> None:
    figures = soak(tiny_bundle, frames=1200, streams=2, seed=0, fps=60.0, save_every=100)
    assert figures["restored"] >= 11  # type: ignore[operator]
    assert figures["astray"] == 0
