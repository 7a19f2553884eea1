"""The soak, short: nothing leaks and no id goes astray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_two_thousand_frames(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    # A connection breaks after 500 frames of one of the four streams.
    command = [sys.executable, "benchmarks/soak.py", "--bundle", str(tiny_bundle), "--frames", "2600"]
    more = ["--save-every", "150", "--out", str(out)]
    run = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    figures = json.loads(out.read_text())
    assert figures["late"]["frames"] >= 2000
    assert figures["added"] + figures["removed"] >= 40
    assert figures["detected"] >= 10 and figures["refined"] >= 8 and figures["undone"] >= 2
    assert figures["restored"] >= 12
    assert figures["astray"] == 0
    assert figures["reconnects"] >= 2
