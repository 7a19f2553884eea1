"""Processes that tests start: none outlives the test, whichever way that ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(command: Sequence[object], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process, its output piped as text; killed where it still runs at the end.

    `Popen`'s own context waits instead: for ever, where a check fails while a server serves.
    """
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen([str(word) for word in command], **{**pipes, **options}) as process:
        try:
            yield process
        finally:
            process.kill()  # which does nothing to what has ended
