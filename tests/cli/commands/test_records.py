"""What `ermu run` and `ermu serve` leave on the disk when they are killed, started again, or given up."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.runtime.images.labels import write_label_map
from ermu.runtime.sources.opening import open_source
from tests.runtime.conftest import RtspProcess, free_port, until
from tests.runtime.sinks.kinds.test_webhook import Hook
from tests.support.processes import running

pytest.importorskip("uvicorn", reason="the page needs the extra `serve`")
import httpx

ERMU = [sys.executable, "-m", "ermu"]
# Forty frames in four seconds, then the stream has ended and the page goes on.
SCENE = "scene:4,size=96x128,frames=40,fps=10,objects=2"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(tiny_bundle: Path) -> Iterator[Start]:
    """Starts commands on the tiny bundle: `started("run", "--source", 0)`."""
    with ExitStack() as ends:

        def start(command: str, *rest: object) -> subprocess.Popen[str]:
            line = [*ERMU, command, "--bundle", tiny_bundle, "--threads", 1, *rest]
            return ends.enter_context(running(line))

        yield start


@pytest.fixture
def camera() -> Iterator[RtspProcess]:
    """A real RTSP server that can be killed."""
    pytest.importorskip("av", reason="the RTSP server encodes with PyAV (extra `live`)")
    server = RtspProcess(free_port())
    yield server
    server.kill()


class Served:
    """An `ermu serve` whose API is asked."""

    def __init__(self, start: Start, *options: object) -> None:
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        self.process = start("serve", "--source", SCENE, "--name", "yard", "--port", port, *options)

    def stream(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = httpx.get(f"{self._url}/api/streams/yard").json()
        except httpx.TransportError:
            return {"frames": 0, "sinks": []}
        return found

    def sinks(self) -> dict[str, Any]:
        return {sink["name"]: sink for sink in self.stream()["sinks"]}

    def written(self, sink: str, number: int) -> bool:
        return until(lambda: self.sinks().get(sink, {}).get("written", 0) >= number, 60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def decoded(path: Path) -> int:
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def frames(path: Path) -> list[int]:
    return [json.loads(line)["frame"] for line in path.read_text().splitlines()]


def test_a_killed_server_leaves_all_but_the_last_second_and_goes_on(started: Start, tmp_path: Path) -> None:
    options = ("--objects", tmp_path / "o.jsonl", "--sink", f"overlay={tmp_path / 'o.mp4'}")
    served = Served(started, *options, "--sink", f"labels={tmp_path / 'maps'}")
    assert served.written("overlay", 38)  # a slow machine may drop some of the forty
    assert served.written("objects", 38) and served.written("labels", 38)
    written = served.sinks()["overlay"]["written"]
    served.kill()
    assert written - 6 <= decoded(tmp_path / "o.mp4") <= 40  # half a second, and the frame that ends it
    before, maps = (tmp_path / "o.jsonl").read_bytes(), set((tmp_path / "maps").iterdir())
    video = (tmp_path / "o.mp4").read_bytes()
    served = Served(started, *options, "--sink", f"labels={tmp_path / 'maps'}")
    assert served.written("objects", 3) and served.written("overlay", 3) and served.written("labels", 3)
    served.process.send_signal(signal.SIGTERM)
    output, told = served.process.communicate(timeout=60)
    assert served.process.returncode == 0, told
    assert "went away" not in output
    assert (tmp_path / "o.jsonl").read_bytes().startswith(before)
    assert frames(tmp_path / "o.jsonl").count(0) == 2
    assert (tmp_path / "o.mp4").read_bytes() == video
    assert decoded(tmp_path / "o-2.mp4") >= 3
    assert set((tmp_path / "maps").iterdir()) == maps and any((tmp_path / "maps-2").iterdir())


def test_a_sink_that_dies_is_told_of_and_the_others_go_on_in_segments(started: Start, tmp_path: Path) -> None:
    options = ("--segment-seconds", 1, "--keep-days", 30, "--sink", "trace=/dev/full")
    served = Served(started, "--objects", tmp_path / "o.jsonl", *options)
    assert served.written("objects", 25)
    trace = served.sinks()["trace"]
    assert trace["state"] == "stopped" and "No space left on device" in trace["error"]
    assert served.sinks()["objects"]["state"] == "running"
    served.process.send_signal(signal.SIGTERM)
    _, told = served.process.communicate(timeout=60)
    assert "The sink trace has stopped: Cannot write /dev/full: No space left on device" in told
    segments = sorted(tmp_path.iterdir())
    assert len(segments) >= 3
    assert all(re.fullmatch(r"o-\d{8}T\d{6}Z(-\d+)?\.jsonl", path.name) for path in segments)
    written = sorted(frame for path in segments for frame in frames(path))
    assert written == sorted(set(written)) and len(written) >= 25


def test_options_that_do_not_go_together(started: Start, tmp_path: Path) -> None:
    process = started("serve", "--source", SCENE, "--port", 0, "--keep-days", 3)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1 and "--segment-seconds with --keep-days" in told


def camera_run(started: Start, url: str, tmp_path: Path, *options: object) -> subprocess.Popen[str]:
    label = np.zeros((240, 320), np.uint8)
    label[50:100, 60:120] = 1
    write_label_map(tmp_path / "prompt.png", label)
    prompt = ("--prompt", tmp_path / "prompt.png", "--out", tmp_path / "out")
    return started("run", "--source", url, *prompt, *options)


def segmented(tmp_path: Path) -> bool:
    return until(lambda: len(list(tmp_path.glob("out/labels/*.png"))) > 3, 60)


def test_a_stream_that_is_given_up_is_a_failure(started: Start, camera: RtspProcess, tmp_path: Path) -> None:
    process = camera_run(started, camera.url, tmp_path, "--give-up", 1)
    assert segmented(tmp_path)
    camera.kill()
    output, told = process.communicate(timeout=60)
    assert process.returncode == 1, told
    assert "went away and did not come back" in output


@pytest.mark.parametrize("how", ["SIGTERM", "--max-frames"])
def test_a_healthy_camera_did_not_go_away(
    started: Start, camera: RtspProcess, tmp_path: Path, how: str
) -> None:
    enough = ("--max-frames", 5) if how == "--max-frames" else ()
    process = camera_run(started, camera.url, tmp_path, "--give-up", 30, *enough)
    if not enough:
        assert segmented(tmp_path)
        process.send_signal(signal.SIGTERM)
    output, told = process.communicate(timeout=60)
    assert process.returncode == (0 if enough else 143), told
    assert "frames in" in output and "went away" not in output + told


def test_a_sink_that_died_fails_a_live_run(started: Start, camera: RtspProcess, tmp_path: Path) -> None:
    process = camera_run(started, camera.url, tmp_path, "--max-frames", 5, "--trace", "/dev/full")
    output, told = process.communicate(timeout=60)
    assert process.returncode == 1, output + told
    assert "sink trace stopped" in output


def test_events_by_the_command_line(started: Start, tmp_path: Path) -> None:
    """What is on the first label map has appeared, where it is there."""
    scene, hook = "scene:4,size=48x64,frames=3,objects=2", Hook()
    with open_source(scene) as source:
        label = source.first_label()
    assert label is not None
    expected = []
    for object_id in sorted({*label.ravel().tolist()} - {0}):
        y, x = np.nonzero(label == object_id)
        box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        expected.append(("appeared", "door", object_id, len(x), [int(side) for side in box]))
    with hook.serving() as port:
        process = started(
            *("run", "--source", scene, "--name", "door", "--out", tmp_path / "out"),
            *(
                "--sink",
                f"events={tmp_path / 'e.jsonl'}",
                "--sink",
                f"webhook=http://127.0.0.1:{port}/hunter2",
            ),
        )
        output, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert "hunter2" not in output + told
    written = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    posted = [body for _, _, body in hook.requests]
    for records in (written, posted):
        first = [record for record in records if record["frame"] == 0]
        assert [tuple(r[key] for key in ("event", "stream", "id", "area", "box")) for r in first] == expected
    assert len(posted) == len(written)
