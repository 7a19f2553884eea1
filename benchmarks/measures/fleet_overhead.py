"""What Ray costs one stream: `ermu fleet` against `ermu serve` alone, in turns, on the same cores.

`python -m ermu.benchmarks.measures.fleet_overhead --bundle demo --rounds 3 --seconds 30`. Frames come faster
than they can be segmented, so frames a second are the worker's; latency is from capture to result.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from ermu.errors import BenchmarkError
from ermu.runtime.images.labels import write_label_map
from ermu.runtime.sources.opening import open_source

_START_SECONDS = 300.0
_WARM_FRAMES = 10
_FILE = """
bundle: {bundle}
sessions: {folder}/sessions
fleet: {{worker: {{cpus: {threads}}}, stream: {{cpus: {threads}}}, snapshot_seconds: 3600}}
streams: [{{name: one, source: "{source}", prompt: {folder}/prompt.png}}]
"""


@dataclass(frozen=True)
class Measured:
    """One stream over some seconds.

    Attributes:
        fps: Frames segmented a second.
        p50_ms: From capture to result.
        p99_ms: Likewise.
        start_seconds: From the command to the first frame.
    """

    fps: float
    p50_ms: float
    p99_ms: float
    start_seconds: float


def main() -> None:
    """Measures in turns and prints JSON: each round, and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="demo")
    parser.add_argument("--source", default="scene:3,size=240x416,frames=60,objects=3,fps=60,swing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    rounds: dict[str, list[Measured]] = {"serve": [], "fleet": []}
    for _ in range(given.rounds):
        for name, of in rounds.items():
            of.append(measure(name, given))
    print(json.dumps(report(rounds), indent=1))


def report(rounds: dict[str, list[Measured]]) -> dict[str, Any]:
    """The rounds, and what the fleet costs by their medians: `fps_ratio`, `p99_more_ms`."""
    fps = {name: median(each.fps for each in of) for name, of in rounds.items()}
    p99 = {name: median(each.p99_ms for each in of) for name, of in rounds.items()}
    cost = {"fps_ratio": fps["fleet"] / fps["serve"], "p99_more_ms": p99["fleet"] - p99["serve"]}
    return {**cost, "rounds": {name: [asdict(each) for each in of] for name, of in rounds.items()}}


def measure(name: str, given: argparse.Namespace) -> Measured:
    """Starts a command, lets it warm up, and reads its figures at the begin and the end of some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        port, config = _free_port(), _written(Path(folder), given)
        own = {"serve": ["--threads", given.threads], "fleet": ["--cpus", given.threads]}[name]
        began = monotonic()
        with _running([name, "--config", config, "--port", port, *own]) as process:
            url = f"http://127.0.0.1:{port}/api/streams/one"
            _until_warm(process, url)
            start, first, then = monotonic() - began, _told(url), monotonic()
            sleep(given.seconds)
            last, seconds = _told(url), monotonic() - then
    latency = last["milliseconds"]["capture_to_result"]
    fps = (last["frames"] - first["frames"]) / seconds
    return Measured(fps, latency["p50"], latency["p99"], start)


def _written(folder: Path, given: argparse.Namespace) -> Path:
    """The file that both commands read: the stream with the objects that its source begins with."""
    label = open_source(given.source).first_label()
    if label is None:
        raise BenchmarkError(f"{given.source} does not say what to follow.", expected="a scene")
    write_label_map(folder / "prompt.png", label)
    names = {"bundle": given.bundle, "source": given.source, "threads": given.threads, "folder": folder}
    path = folder / "fleet.yaml"
    path.write_text(_FILE.format(**names), encoding="utf-8")
    return path


@contextmanager
def _running(words: Sequence[object]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "ermu", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()


def _until_warm(process: subprocess.Popen[bytes], url: str) -> None:
    until = monotonic() + _START_SECONDS
    while monotonic() < until and process.poll() is None:
        try:
            if _told(url)["frames"] >= _WARM_FRAMES:
                return
        except (URLError, OSError):  # not there yet, or in no worker yet
            pass
        sleep(0.1)
    raise BenchmarkError("The stream does not begin.", fix="look at what the command printed above")


def _told(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=30) as answer:
        return dict(json.load(answer))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
