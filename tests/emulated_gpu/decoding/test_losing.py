"""A fault of the GPU that decodes as well: the run goes on, and no picture is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.emulated_gpu.decoding.conftest import on_host
from tests.emulated_gpu.decoding.test_staying import FRAMES, command, labels_in
from tests.emulated_gpu.test_command_line import BACKENDS

LOST = re.compile(r"the device was lost, and every memory began anew, after frame (\d+)")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("at", [1, 60])
def test_a_file_goes_on_on_the_cpu(
    at: int, backend: str, python: Callable, engines: Callable, video: Callable, tmp_path: Path
) -> None:
    """In the first frame, and in the middle; pictures that waited on the GPU are decoded once more."""
    made, out = video(1), tmp_path / "out"
    ran = python(*command(engines("aot"), made, out, backend), EMULATED_FAULT_AT=str(at), **made.environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"The device was reset and the backend {backend} opened anew." in ran.stderr
    assert "is decoded on the CPU from frame" in ran.stderr or at == 1
    assert "memory that was freed" not in ran.stderr
    assert "freed twice" not in ran.stderr or backend == "onnxruntime"  # whose stand-in does so anyhow
    found = labels_in(out)
    assert len(found) == FRAMES
    after = [int(number) for number in LOST.findall(" ".join(ran.stdout.split()))]
    whole = on_host(engines("aot"), made)
    until = FRAMES if not after else after[0] + 1
    assert np.mean(found[:until] == whole[:until]) >= 0.998  # the CPU's planes have chroma a little apart
    assert np.mean(found == whole) >= 0.98  # a memory begun anew from the label map, as on any device


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """An address at which a folder's files are; a stream that ends and can be had again."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined, method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("fault", ["0", "60"])
def test_a_live_stream_goes_on(
    fault: str, python: Callable, engines: Callable, video: Callable, tmp_path: Path
) -> None:
    """It connects again and again; what the GPU has lost is not shown, what comes after it is followed."""
    made, out = video(1, 40, still=True), tmp_path / "out"  # whichever frames are dropped
    with served(made.path.parent) as address:
        options = ["--max-frames", 60, "--sink", f"overlay={tmp_path / 'drawn.mp4'}"]
        arguments = command(engines("aot"), made, out)
        arguments[arguments.index(made.path)] = f"{address}/{made.path.name}"
        ran = python(*arguments, *options, EMULATED_FAULT_AT=fault, **made.environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ("The device was reset" in ran.stderr) == (fault != "0")
    assert "has stopped" not in ran.stderr and "memory that was freed" not in ran.stderr
    found = labels_in(out)
    assert len(found) > 10
    assert sum(1 in label for label in found) >= 0.9 * len(found)
