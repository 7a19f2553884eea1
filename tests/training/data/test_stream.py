"""The stream of batches: what a step sees depends on its number alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
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


def test_what_a_worker_lacks_is_said_without_a_traceback(tiny: dict[str, Any], tmp_path: Path) -> None:
    """In a process of its own, as a training is: the worker is started from there."""
    scenes = {"kind": "scenes", "style": "footage", "size_hw": [64, 96], "length": 8}
    config = json.dumps({**tiny, "data": {"sources": [scenes], "workers": 1}})
    script = tmp_path / "first_batch.py"
    script.write_text(
        "import json, sys\n"
        "from ermu.errors import DatasetError\n"
        "from ermu.training.config import TrainingConfig\n"
        "from ermu.training.data.stream import batches\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        next(batches(TrainingConfig(**json.loads(sys.argv[1])), 0))\n"
        "    except DatasetError as error:\n"
        "        print(error)\n"
    )
    without = {**os.environ, "ERMU_PHOTOGRAPHS": str(tmp_path)}  # a folder without photographs
    done = subprocess.run([sys.executable, script, config], env=without, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Scenes of the style footage need the photographs of ")
    assert "Traceback" not in done.stdout + done.stderr and "make photographs" in done.stdout
