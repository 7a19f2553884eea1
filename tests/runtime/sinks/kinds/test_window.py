"""The window."""

from __future__ import annotations

import pytest

from ermu.errors import SinkError
from ermu.runtime.sinks.kinds.window import WindowSink


def test_a_window_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SinkError, match="no display"):
        WindowSink("test")
