"""Says where a process of the suite was when it crashed: pytest's own traceback of it is lost in a worker."""

from __future__ import annotations

import faulthandler
import tempfile
from pathlib import Path
from typing import IO, Any

import pytest

_OPEN = pytest.StashKey[IO[str]]()
_FOLDER = pytest.StashKey[str]()


@pytest.hookimpl(trylast=True)  # after pytest's own faulthandler
def pytest_configure(config: pytest.Config) -> None:
    """Has a worker write every thread's place into a file of its own."""
    if not hasattr(config, "workerinput"):
        config.stash[_FOLDER] = tempfile.mkdtemp(prefix="ermu-crashes-")
        return
    file = (Path(config.workerinput["crashes"]) / config.workerinput["workerid"]).open("w")
    config.stash[_OPEN] = file
    faulthandler.enable(file, all_threads=True)


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_configure_node(node: Any) -> None:
    """Tells a worker where."""
    node.workerinput["crashes"] = node.config.stash[_FOLDER]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what crashed workers have left."""
    if (folder := config.stash.get(_FOLDER, None)) is None:
        return
    for file in sorted(Path(folder).iterdir()):
        if text := file.read_text(errors="replace"):
            terminalreporter.section(f"{file.name} crashed", sep="_")
            terminalreporter.write_line(text)
        file.unlink()
    Path(folder).rmdir()
