"""The live server on the emulated GPU: an object drawn, another taken away, Ctrl-C in the middle."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from ermu.runtime.images.labels import read_label_map
from tests.emulated_gpu.environment import ROOT
from tests.runtime.conftest import free_port, until
from tests.support.processes import running

pytest.importorskip("uvicorn", reason="the server needs the extra `serve`")


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
def test_objects_come_and_go_and_an_interrupt_ends_it(
    backend: str, emulated: dict[str, str], engines: Callable, clip: Callable, tmp_path: Path
) -> None:
    frames, port = clip(3), free_port()
    source = (
        "--source",
        frames / "frames",
        "--loop",
        "--name",
        "clip",
        "--sink",
        f"labels={tmp_path / 'out'}",
    )
    options = ("--device", "cuda", "--backend", backend, "--capacity", 3, "--gap", 2, "--port", port)
    command = [sys.executable, "-m", "ermu", "serve", "--bundle", engines("aot"), *source, *options]
    with running(command, cwd=ROOT, env=emulated) as process:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            assert until(lambda: process.poll() is not None or _shows(client), 120)
            objects = "/api/streams/clip/objects"
            label = _png(read_label_map(frames / "prompt.png"))
            added = client.post(objects, content=label, headers={"content-type": "image/png"})
            assert added.json() == {"ids": [1, 2, 3]}
            assert until(lambda: _seen(tmp_path) >= {1, 2, 3}, 60)
            assert client.delete(f"{objects}/2").status_code == 204
            assert until(lambda: 2 not in _seen(tmp_path) and _seen(tmp_path), 60)
            assert client.get("/healthz").status_code == 200
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=120)
    assert (process.returncode, complained) == (0, ""), said


def _shows(client: httpx.Client) -> bool:
    """A frame has come: before that nothing can be drawn on."""
    try:
        return bool(client.get("/api/streams/clip").json()["frames"])
    except httpx.TransportError:
        return False


def _seen(folder: Path) -> set[int]:
    """Ids in the newest label map that is whole."""
    files = sorted(folder.rglob("*.png"))
    return set(np.unique(read_label_map(files[-1]))) - {0} if files else set()


def _png(label: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, "PNG")
    return buffer.getvalue()
