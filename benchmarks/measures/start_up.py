"""From a process's start to its first label maps, beside what Python itself needs.

    python -m ermu.benchmarks.measures.start_up [--bundle demo] [--processes 7] [-- OPTIONS OF ermu run]

The first label map is the prompt, the second the first that the network made: by then every graph has been
opened and has run. Files and caches are warm: one more process runs before those that count. Bytecode
is cached in a folder of its own, as an installation has it, whatever PYTHONDONTWRITEBYTECODE says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

import cv2
import numpy as np

from ermu.benchmarks.clip import scene_clip
from ermu.benchmarks.options import BenchOptions
from ermu.errors import BenchmarkError
from ermu.runtime.images.labels import write_label_map

_POLL_SECONDS = 0.001
_MOST_SECONDS = 120.0
_FRAMES = 3


def main() -> None:
    """Prints medians of milliseconds as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="demo")
    parser.add_argument("--processes", type=int, default=7)
    parser.add_argument("options", nargs="*", help="of `ermu run`, behind `--`")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        installed = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        clip, measured = _write_clip(Path(folder)), range(told.processes + 1)
        run = [sys.executable, "-m", "ermu", "run", "--bundle", told.bundle, *told.options]
        given = ["--source", str(clip), "--prompt", str(clip.parent / "prompt.png")]
        starts = [_started([*run, *given], Path(folder) / f"out{i}", installed) for i in measured][1:]
        python = [_python(installed) for _ in measured][1:]
    print(
        json.dumps(
            {
                "python_ms": round(_median(python), 1),
                "prompt_written_ms": round(_median([first for first, _ in starts]), 1),
                "first_label_map_ms": round(_median([second for _, second in starts]), 1),
                "first_label_maps_ms": [round(1000 * second, 1) for _, second in starts],
            }
        )
    )


def _write_clip(folder: Path) -> Path:
    clip, frames = scene_clip(BenchOptions(bundle="demo", objects=2), _FRAMES), folder / "clip"
    frames.mkdir()
    write_label_map(folder / "prompt.png", clip.label)
    for number, image in enumerate(clip.take(_FRAMES)):
        cv2.imwrite(str(frames / f"{number}.png"), image)
    return frames


def _started(run: Sequence[str], out: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds from a process's start to its first two label maps."""
    began = monotonic()
    with subprocess.Popen(
        [*run, "--out", str(out)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        first = _when(process, out, 1) - began
        second = _when(process, out, 2) - began
        said, _ = process.communicate()
    if process.returncode:
        raise BenchmarkError(f"`ermu run` failed; it said: {said.strip()[-500:]}")
    return first, second


def _when(process: subprocess.Popen[str], out: Path, count: int) -> float:
    """When so many label maps lie there; the process's end, where it ends without them."""
    latest = monotonic() + _MOST_SECONDS
    while process.poll() is None and monotonic() < latest:
        if sum(1 for _ in out.rglob("*.png")) >= count:
            break
        sleep(_POLL_SECONDS)
    return monotonic()


def _python(environment: Mapping[str, str]) -> float:
    """Seconds that Python takes to import what every run needs."""
    began = monotonic()
    subprocess.run([sys.executable, "-c", "import numpy, cv2"], env=environment, check=True)
    return monotonic() - began


def _median(seconds: Sequence[float]) -> float:
    return 1000 * float(np.median(seconds))


if __name__ == "__main__":
    main()
