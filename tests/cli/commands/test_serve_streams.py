"""`ermu serve` with a streams file: no way out shows its passwords; silent cameras delay no stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.runtime.conftest import free_port, until
from tests.support.processes import running

pytest.importorskip("uvicorn", reason="the page needs the extra `serve`")
pytest.importorskip("yaml", reason="streams files need the extra `serve`")
import httpx

pytestmark = pytest.mark.serial

ERMU = [sys.executable, "-m", "ermu", "--verbose"]
ADDRESSES = (
    "rtsp://admin:hunter2a@127.0.0.1:{port}/live?channel=1&loginpas=hunter2b",
    "rtmp://admin:hunter2c@127.0.0.1:{port}/live?jwt=hunter2d&x=1",
    "http://127.0.0.1:{port}/v?X-Amz-Signature=hunter2e&p%61ssword=hunter2f&sid=hunter2g h&code=hunter2i",
    "rtsp://admin:hunter2j @#?/x@127.0.0.1:{port}/user=hunter2k_password=hunter2l",
)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/streams").status_code == 200
    except httpx.TransportError:
        return False


def test_no_password_leaves_by_any_way(tiny_bundle: Path, tmp_path: Path) -> None:
    port, server = free_port(), free_port()
    urls = [address.format(port=port) for address in ADDRESSES]
    lines = [f"- {{name: s{number}, source: '{url}'}}" for number, url in enumerate(urls)]
    lines.append(f"- {{name: apart, source: 'rtsp://127.0.0.1:{port}/1', user: me, password: '${{CAM}}'}}")
    config = tmp_path / "streams.yaml"
    config.write_text("\n".join(["streams:", *lines]))
    config.chmod(0o600)
    command = [*ERMU, "serve", "--bundle", tiny_bundle, "--config", config, "--port", server, "--threads", 1]
    sinks = ["--sink", f"trace={tmp_path / 'trace.jsonl'}", "--objects", tmp_path / "objects.jsonl"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "400", "CAM": "hunter2m"}
    url = f"http://127.0.0.1:{server}"
    with running([*command, *sinks], stderr=subprocess.STDOUT, env=environment) as process:
        assert until(lambda: answers(url), 60)

        def reasons() -> list[str]:
            return [str(stream["error"]) for stream in httpx.get(f"{url}/api/streams").json()["streams"]]

        assert until(lambda: all("nothing listens" in reason for reason in reasons()), 30), reasons()
        pages = ["", "api/streams", "metrics", "openapi.json", "healthz"]
        for name in ("s0", "s1", "s2", "s3", "apart"):
            pages += [f"api/streams/{name}{part}" for part in ("", "/objects", "/memory")]
        shown = "".join(httpx.get(f"{url}/{page}").text for page in pages)
        arguments = Path(f"/proc/{process.pid}/cmdline")
        listed = arguments.read_text() if arguments.exists() else ""
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0, printed
    written = "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert "127.0.0.1" in shown and "no frames (nothing listens" in printed
    assert "hunter2" not in shown + printed + written + listed


def test_a_stop_with_twenty_silent_cameras(tiny_bundle: Path) -> None:
    server = free_port()
    with ExitStack() as stack:
        camera = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        url = f"rtsp://127.0.0.1:{camera.getsockname()[1]}/1"
        sources = [word for _ in range(20) for word in ("--source", url)]
        command = [*ERMU, "serve", "--bundle", tiny_bundle, *sources, "--port", server, "--threads", 1]
        process = stack.enter_context(running(command, stderr=subprocess.STDOUT))
        assert until(lambda: answers(f"http://127.0.0.1:{server}"), 60)
        assert not until(lambda: False, 1.0)  # every one of them waits for an answer
        began = monotonic()
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
        seconds = monotonic() - began
    print(f"\nstopped in {seconds:.2f} s")
    assert process.returncode == 0, printed
    assert seconds < 2.5  # two, and the interpreter's own end
