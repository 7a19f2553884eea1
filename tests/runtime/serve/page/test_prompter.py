"""`ermu serve` as it is started: SAM 2 prompts streams that another network follows, as their file says."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.runtime.conftest import free_port, until
from tests.runtime.serve.page.conftest import Open
from tests.support.processes import running

httpx = pytest.importorskip("httpx", reason="asks the API")
pytest.importorskip("torch", reason="what is published runs in it")
pytest.importorskip("transformers", reason="what is published")
pytest.importorskip("yaml", reason="streams files need the extra `serve`")

SIDE = 128
BOX = (50.0, 20.0, 120.0, 70.0)
POINT = (100.0, 90.0)


def started(tmp_path: Path, bundle: Path, prompter: Path, port: int) -> tuple[list[Any], Any]:
    """The command, and the frame that both of its streams stand on."""
    from tests.support.sam2.clip import frames_of

    (frame,) = frames_of(1)
    clip = tmp_path / "clip"
    clip.mkdir()
    for number in range(4):
        cv2.imwrite(str(clip / f"{number}.png"), np.uint8(frame.numpy())[..., ::-1])
    file = tmp_path / "streams.yaml"
    streams = "".join(f"\n  - {{name: {name}, source: {clip}, loop: true}}" for name in ("one", "two"))
    file.write_text(f"bundle: {bundle}\nprompter: {prompter}\nstreams:{streams}\n")
    command = [sys.executable, "-m", "ermu", "serve", "--config", file, "--port", port, "--threads", 1]
    return command, frame


def test_clicks_and_boxes_of_several_streams_are_the_prompters(
    tiny_bundle: Path, sam2_bundle: Path, tmp_path: Path, open_page: Open
) -> None:
    from tests.support.sam2.clicked import area_clicked

    port = free_port()
    command, frame = started(tmp_path, tiny_bundle, sam2_bundle, port)
    url = f"http://127.0.0.1:{port}"
    with running(command, stderr=subprocess.STDOUT) as process, httpx.Client(base_url=url) as client:
        assert until(lambda: _frames(client), 90)

        def area(stream: str, count: int = 1) -> int:
            objects = client.get(f"/api/streams/{stream}/objects").json()["objects"]
            return int(objects[0]["area"]) if len(objects) == count else 0

        client.post("/api/streams/one/control", json={"action": "pause"}).raise_for_status()
        point = {"x": POINT[0], "y": POINT[1]}
        client.post("/api/streams/one/objects", json={"points": [point]}).raise_for_status()
        seen = area_clicked(frame, [POINT], [1])
        assert seen > 100 and abs(area("one") - seen) <= 3
        page = open_page(f"{url}/#two")
        assert page.badge("live")
        page.tab.click("#pause")
        assert page.badge("paused")
        page.drag((BOX[0] / SIDE, BOX[1] / SIDE), (BOX[2] / SIDE, BOX[3] / SIDE))
        assert page.state(1)
        drawn = area_clicked(frame, [BOX[:2], BOX[2:]], [2, 3])
        assert drawn > 100 and abs(area("two") - drawn) <= 0.05 * drawn  # a mouse points at whole pixels
        assert page.problems == []
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed


def _frames(client: Any) -> bool:
    try:
        streams = client.get("/api/streams").json()["streams"]
    except httpx.TransportError:
        return False
    return all(stream["frames"] for stream in streams)
