"""Peak resident memory of ours, taken in a process that does nothing else: no torch, no peers.

python -m ermu.benchmarks.measures.resident OPTIONS_JSON
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from ermu.benchmarks.clip import open_clip
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.plan import Plan
from ermu.errors import BenchmarkError, ErmuError


def measure_resident_mb(options: BenchOptions) -> float:
    """Peak resident megabytes (10^6 bytes) of a fresh process with a full memory, over two gap cycles.

    Raises:
        BenchmarkError: the process failed; says what it said last.
    """
    command = [sys.executable, "-m", "ermu.benchmarks.measures.resident", options.to_json()]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        last = child.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise BenchmarkError(f"The process that measures resident memory failed; it said: {last[0]}")
    return float(json.loads(child.stdout.splitlines()[-1])["peak_rss_mb"])


def peak_rss_mb() -> float:
    """This process's peak; the kernel's own mark, since getrusage's survives from the parent across exec."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Runs what the arguments say and prints the peak as JSON; a failure is one line on stderr."""
    try:
        _run_ours()
    except ErmuError as error:
        sys.exit(str(error).replace("\n", " "))
    print(json.dumps({"peak_rss_mb": round(peak_rss_mb(), 1)}))


def _run_ours() -> None:
    plan = Plan.of(BenchOptions.from_json(sys.argv[1]))
    with open_clip(plan.options, plan.memory + 2 * plan.gap) as clip:
        ours = plan.ours()
        ours.fill(clip.take(plan.memory), clip.label, warmup=0)
        for _ in range(2):
            ours.run(clip.take(plan.gap), timed=False)
        ours.segmenter.close()


if __name__ == "__main__":
    main()
