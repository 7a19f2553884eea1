"""A fleet's own claims, before anything is placed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ermu.errors import StateError
from ermu.fleet.fleet import Fleet
from ermu.runtime.config.schema import StreamsFile
from ermu.runtime.streams.sessions.folder import SessionFolder


def test_a_folder_of_sessions_that_a_server_keeps_is_not_a_fleets(tmp_path: Path) -> None:
    """Nor another fleet's; the cluster is not asked for anything yet."""
    streams = [{"name": "a", "source": "scene:3", "bundle": "demo"}]
    file = StreamsFile.model_validate({"sessions": str(tmp_path / "s"), "streams": streams})
    cluster = SimpleNamespace(local=True, answered=lambda asked, seconds: set())
    with SessionFolder(tmp_path / "s"), pytest.raises(StateError, match="another server that runs"):
        Fleet(file, cluster)  # type: ignore[arg-type]
    with Fleet(file, cluster), pytest.raises(StateError):  # type: ignore[arg-type]
        SessionFolder(tmp_path / "s")
    SessionFolder(tmp_path / "s").close()
