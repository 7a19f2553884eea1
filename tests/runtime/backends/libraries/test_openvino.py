"""OpenVINO in a process that is sent signals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino", reason="extra `openvino`")

SCRIPT = """
import signal, sys, threading
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle

bundle = Bundle.load(sys.argv[1])
opened = [open_backend(bundle, backend="openvino", threads=1) for _ in range(3)]
for backend in opened:
    if sys.argv[2] == "elsewhere":
        closing = threading.Thread(target=backend.close)
        closing.start()
        closing.join()
    backend.close()
opened.clear()
del backend
came = []
signal.signal(signal.SIGINT, lambda *_: came.append("handled"))
signal.raise_signal(signal.SIGINT)
print(*came)
"""


@pytest.mark.parametrize("closed", ["here", "elsewhere"])
def test_a_signal_is_handled_after_backends_have_been_closed(tiny_bundle: Path, closed: str) -> None:
    """In the order in which they were opened, as streams side by side are."""
    command = [sys.executable, "-c", SCRIPT, tiny_bundle, closed]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "handled\n", "")
