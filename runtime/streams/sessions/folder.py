"""The folder in which one process keeps its streams' sessions: a second one would write over them."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from pathlib import Path

from ermu.closing import Closing
from ermu.errors import StateError
from ermu.redaction import redact
from ermu.runtime.files import hold, shown, unwritable

SUFFIX = ".ermu"
_LOCK = ".lock"
_COMMAND = 200  # characters of the holder's command that are told


class SessionFolder(Closing):
    """A folder of sessions that is this process's alone until it is closed, or the process ends however.

    The lock is the kernel's (`flock`), on a file in the folder that says who has it: no dead process holds
    one. It reaches other machines where the file system carries locks, as NFS does.

    Args:
        path: Made where it is not there.

    Raises:
        StateError: another process keeps its sessions there, or this one already does.
        SinkError: the folder cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise unwritable(path, error) from error
        if not hold(self._lock):
            holder = os.pread(self._lock, 4096, 0).decode("utf-8", "replace").strip()
            self.close()
            raise StateError(
                f"{shown(path)} holds the sessions of another server that runs: {holder or 'no name'}.",
                expected="a folder of sessions for each server",
                fix="end that one, or choose another folder",
            )
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, _own_name().encode("utf-8", "replace"), 0)

    def session(self, stream: str) -> Path:
        """Where a stream's session lies."""
        return self.path / f"{stream}{SUFFIX}"

    def close(self) -> None:
        """Gives the folder free; twice is harmless."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _own_name() -> str:
    command = redact(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))
    return f"process {os.getpid()} on {socket.gethostname()} ({command[:_COMMAND]})\n"
