"""A folder of sessions has one process at a time, and a dead one is none."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ermu.errors import SinkError, StateError
from ermu.runtime.streams.sessions.folder import SessionFolder
from tests.support.processes import running

HOLDING = (
    "import sys, time; from pathlib import Path;"
    "from ermu.runtime.streams.sessions.folder import SessionFolder;"
    "folder = SessionFolder(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
)


def test_another_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    folder, secret = tmp_path / "a" / "b", "rtsp://admin:hunter2@camera/1"
    command = [sys.executable, "-c", HOLDING, folder, "--source", secret]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == "held"
        with pytest.raises(StateError, match=rf"another server .* process {process.pid} on ") as refused:
            SessionFolder(folder)
        assert "--source rtsp://" in refused.value.problem and "hunter2" not in refused.value.problem
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with SessionFolder(folder) as held:
        assert held.session("door") == folder / "door.ermu"
        with pytest.raises(StateError):
            SessionFolder(folder)
    with SessionFolder(folder):
        pass


def test_a_folder_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="Cannot write"):
        SessionFolder(tmp_path / "file")
