"""`ermu run` and `ermu serve` on live sources: a clean stop, several streams, no passwords."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.runtime.conftest import free_port, until
from tests.support.processes import running

RUN = [sys.executable, "-c", "import typer; from ermu.cli.commands.run import run; typer.run(run)"]
SERVE = [sys.executable, "-c", "import typer; from ermu.cli.commands.serve import serve; typer.run(serve)"]


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts commands: `started(RUN, "--bundle", path)`; what they print is one text."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    options = dict(stderr=subprocess.STDOUT, env=environment)
    with ExitStack() as ends:
        yield lambda command, *rest: ends.enter_context(running([*command, *rest], **options))


def stopped(process: subprocess.Popen[str], number: int) -> tuple[float, str]:
    """Sends a signal; returns the seconds until the end, and what was printed."""
    began = monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    return monotonic() - began, output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_stops_cleanly_on_a_signal(
    started: Start, tiny_bundle: Path, tmp_path: Path, number: int
) -> None:
    av = pytest.importorskip("av")
    out = tmp_path / "out"
    scene = "scene:4,size=96x128,frames=40,objects=2,swing"
    process = started(
        RUN, "--bundle", tiny_bundle, "--source", scene, "--out", out, "--threads", 1,
        "--overlay", tmp_path / "overlay.mp4", "--trace", tmp_path / "trace.jsonl", "--max-frames", 100000,
    )  # fmt: skip
    assert until(lambda: len(list(out.glob("labels/*.png"))) > 5, 30)
    seconds, output = stopped(process, number)
    assert process.returncode == 128 + number, output
    assert seconds < 2.5  # two, and the interpreter's own end
    labels = sorted(path.stem for path in out.glob("labels/*"))
    assert f"stopped at {len(labels)} of 100000\n" in output
    assert labels == [f"{i:05d}" for i in range(len(labels))]
    assert len((tmp_path / "trace.jsonl").read_text().splitlines()) == len(labels)
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == len(labels)


def test_several_streams_keep_their_own_results(started: Start, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scenes = ("scene:4,size=48x64,frames=6,objects=2", "scene:5,size=64x48,frames=4,objects=1")
    process = started(
        RUN, "--bundle", tiny_bundle, "--source", scenes[0], "--source", scenes[1], "--out", out,
        "--name", "left", "--name", "right", "--objects", tmp_path / "objects.jsonl", "--threads", 1,
    )  # fmt: skip
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(list((out / "left" / "labels").iterdir())) == 6
    assert len(list((out / "right" / "labels").iterdir())) == 4
    records = (tmp_path / "objects-left.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame"] for line in records] == list(range(6))
    assert "left, ended" in output and "right, ended" in output and "ms p50" in output


def test_a_password_is_never_shown(started: Start, tiny_bundle: Path, tmp_path: Path) -> None:
    label = tmp_path / "label.png"
    import numpy as np

    from ermu.runtime.images.labels import write_label_map

    write_label_map(label, np.ones((48, 64), np.uint8))
    url = f"rtsp://admin:hunter2@127.0.0.1:{free_port()}/live?token=hunter3"
    process = started(
        RUN, "--bundle", tiny_bundle, "--source", url, "--prompt", label, "--out", tmp_path / "out",
        "--trace", tmp_path / "trace.jsonl", "--give-up", 1, "--threads", 1,
    )  # fmt: skip
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "ended before its first frame" in output
    written = "".join(path.read_text() for path in tmp_path.rglob("*.jsonl"))
    assert "hunter" not in output.replace(url, "") + written


def test_serve_stops_cleanly_with_a_viewer_attached(
    started: Start, tiny_bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("uvicorn")
    import httpx

    port = free_port()
    scene = "scene:4,size=96x128,frames=40,fps=10,swing"
    process = started(SERVE, "--bundle", tiny_bundle, "--source", scene, "--port", port, "--threads", 1)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return bool(httpx.get(f"{url}/api/streams").json()["streams"][0]["frames"])
        except httpx.TransportError:
            return False

    assert until(answers, 30)
    with httpx.stream("GET", f"{url}/streams/0/video.mjpeg") as video:
        assert next(video.iter_raw())
        seconds, output = stopped(process, signal.SIGTERM)
    assert process.returncode == 0, output
    assert seconds < 3.0
    assert "Traceback" not in output and "ERROR" not in output, output
    assert "backend   onnxruntime, fp32, cpu (by rank: not measured here for" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "Without a token"),
        (("--public-url", "https://cams.example.org/"), "Without a token"),
        (("--token", "Zugang-für-Gäste-€"), "characters that an HTTP header cannot carry"),
        (("--host", "no-such-machine.invalid", "--token", "a" * 16), "is no address that is known here"),
        (("--trust-proxy", "proxy"), "an IP address or a network"),
        (("--policy", "none"), "keeps every frame"),
        (("--name", "../x"), "cannot be called"),
        (("--name", "a", "--name", "b"), "2 names"),
        (("--on-add", "maybe"), "Unknown way"),
    ],
)
def test_serve_refuses_what_it_cannot_do(
    started: Start, tiny_bundle: Path, options: tuple[str, ...], message: str
) -> None:
    process = started(SERVE, "--bundle", tiny_bundle, "--source", "scene:1,size=48x64", "--port", 0, *options)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert message in output
