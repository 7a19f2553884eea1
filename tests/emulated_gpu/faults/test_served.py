"""A fault of the device under `ermu serve`: the streams go on, and the API says what was lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import Request, urlopen

from tests.emulated_gpu.environment import ROOT
from tests.emulated_gpu.test_command_line import MEMORY_OPTIONS, ON_GPU
from tests.support.processes import running

SECONDS = 120


def asked(url: str, body: dict[str, Any] | None = None) -> Any:
    """An answer of the API."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as answer:
        return json.load(answer)


def address(process: subprocess.Popen[str]) -> str:
    """Where it serves, which it says once it does."""
    assert process.stdout is not None
    words = (word for line in process.stdout for word in line.split())
    return next(word for word in words if word.startswith("http")) + "api/streams"


def test_served_streams_go_on(
    emulated: dict[str, str], engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    """Two streams, an object in one of them; what both have lost is in their state, and frames come."""
    command = [sys.executable, "-m", "ermu", "serve", "--bundle", engines("aot"), "--port", 0, "--loop"]
    for source in (clip(1), clip(3)):
        command += ["--source", source / "frames"]
    command += [*ON_GPU, "tensorrt", *MEMORY_OPTIONS]
    variables = {**emulated, "EMULATED_FAULT_AT": "60", "PYTHONUNBUFFERED": "1"}
    with running(command, cwd=ROOT, env=variables) as process:
        url, until = address(process), monotonic() + SECONDS
        while not asked(f"{url}/0")["frames"]:
            assert monotonic() < until
            sleep(0.1)
        asked(f"{url}/0/objects", {"box": [4, 4, 24, 24]})
        while not asked(f"{url}/0")["device_losses"]:
            assert monotonic() < until and process.poll() is None
            sleep(0.1)
        before = asked(url)["streams"]
        wanted = [stream["frames"] + 3 for stream in before]
        while any(now["frames"] < n for now, n in zip(asked(url)["streams"], wanted, strict=True)):
            assert monotonic() < until
            sleep(0.1)
        lost, other = asked(url)["streams"]
        assert (lost["state"], other["state"]) == ("live", "live")
        assert len(lost["device_losses"]) == len(other["device_losses"]) == 1 and lost["restarts"] == 1
        assert lost["error"] is None and other["error"] is None
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=SECONDS)
    assert process.returncode in (0, 128 + signal.SIGINT)
    assert "The device was reset and the backend tensorrt opened anew." in complained
    assert "Traceback" not in complained
