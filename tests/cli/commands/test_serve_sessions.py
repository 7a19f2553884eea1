"""`ermu serve --sessions DIR`: killed without warning and started again, every stream knows its objects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import free_port, until
from tests.support.processes import running

pytest.importorskip("uvicorn", reason="the page needs the extra `serve`")
import httpx

pytestmark = pytest.mark.serial

SCENES = [f"scene:{seed},size=96x128,frames=60,objects=3,fps=5,swing" for seed in (11, 12)]


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/streams/yard").json()["frames"] > 0
    except httpx.TransportError:
        return False


def known(
    client: httpx.Client, stream: str
) -> tuple[list[tuple[int, str, int]], list[tuple[int, list[int]]]]:
    """Objects as (id, name, added on), and groups as (number, ids)."""
    objects = client.get(f"/api/streams/{stream}/objects").json()["objects"]
    groups = client.get(f"/api/streams/{stream}/memory").json()["groups"]
    listed = [(each["id"], each["name"], each["added_frame"]) for each in objects]
    return listed, [(each["group"], each["ids"]) for each in groups]


def head(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        said: dict[str, Any] = json.loads(archive.read("head.json"))["head"]
    return said


def saved(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> bool:
    return path.exists() and wanted(head(path))


def test_killed_and_started_again(tiny_bundle: Path, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "kept"
    command = [sys.executable, "-m", "ermu", "serve", "--bundle", tiny_bundle, "--threads", 1, "--port", port]
    for name, scene in zip(("yard", "door"), SCENES, strict=True):
        command += ["--source", scene, "--name", name, "--loop"]
    command += ["--sessions", folder, "--session-seconds", 0.3, "--gap", 2]
    options = dict(env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=30) as client:
        with running(command, **options, stdout=subprocess.DEVNULL) as process:  # type: ignore[arg-type]
            assert until(lambda: answers(url), 90)
            objects = "/api/streams/yard/objects"
            assert client.post(objects, json={"box": [10, 10, 60, 60], "name": "Käse"}).json() == {"ids": [1]}
            assert client.post(objects, json={"box": [70, 20, 110, 80]}).json() == {"ids": [2]}
            client.delete(f"{objects}/1")
            assert client.post(objects, json={"box": [20, 20, 70, 70], "name": "b"}).json() == {"ids": [3]}
            client.post("/api/streams/door/objects", json={"box": [10, 10, 60, 60], "name": "guest"})
            client.post("/api/streams/door/control", json={"action": "policy", "policy": "rmem"})
            before = {name: known(client, name) for name in ("yard", "door")}
            with running(command, **options) as second:  # type: ignore[arg-type]
                told, _ = second.communicate(timeout=90)
            assert second.returncode == 1 and f"process {process.pid} on " in told
            paths = {name: folder / f"{name}.ermu" for name in before}
            assert until(
                lambda: saved(paths["yard"], lambda h: h["stream"]["objects"][-1]["name"] == "b"), 60
            )
            rmem = "rmem"
            assert until(
                lambda: saved(paths["door"], lambda h: h["segmenter"]["options"]["policy"] == rmem), 60
            )
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        left = {name: head(path) for name, path in paths.items()}
        (folder / ".yard.torn.ermu").write_bytes(b"PK")
        with running(command, **options) as process:  # type: ignore[arg-type]
            assert until(lambda: answers(url), 90)
            for name, (objects_before, groups_before) in before.items():
                objects_now, groups_now = known(client, name)
                assert objects_now == objects_before and groups_now == groups_before
                memory = client.get(f"/api/streams/{name}/memory").json()
                assert memory["frame"] > left[name]["segmenter"]["frame"]
                began = {group["number"]: group["frames"][0] for group in left[name]["segmenter"]["groups"]}
                shown = {group["group"]: group["held"][0]["frame"] for group in memory["groups"]}
                assert began == shown
            assert client.get("/api/streams/door").json()["policy"] == "rmem"
            assert client.post("/api/streams/yard/objects", json={"box": [5, 5, 40, 40]}).json() == {
                "ids": [4]
            }
            process.send_signal(signal.SIGTERM)
            printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert "gone on from sessions: yard, door" in printed and "sessions written to" in printed
    assert [path.name for path in folder.glob(".*")] == [".lock"] and not list(folder.glob("*.refused"))
    assert [each["id"] for each in head(paths["yard"])["stream"]["objects"]] == [2, 3, 4]  # saved at the end
