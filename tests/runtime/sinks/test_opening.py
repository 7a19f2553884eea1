"""Sinks by name: where each writes, and what is refused before a run begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ermu.errors import OptionError, SinkError, StateError
from ermu.registries import SINKS
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext
from ermu.runtime.sinks.json_lines import JsonLines
from ermu.runtime.sinks.opening import open_sink
from ermu.runtime.sources.base import Frame


class Plain(Sink):
    """A sink without arguments, as the smallest package would add."""

    name = "plain"

    def write(self, frame: Frame, result: FrameResult) -> None:
        return


class Failing(Plain):
    def __init__(self) -> None:
        raise ZeroDivisionError("of its own")


def test_every_sink_is_named_after_its_module_and_says_what_it_is() -> None:
    assert {"labels", "objects", "overlay", "trace", "window"} <= set(SINKS.names())
    for name, kind in SINKS.items():
        assert kind.name == name
        assert kind.help and "\n" not in kind.help


def test_several_streams_write_apart(tmp_path: Path) -> None:
    alone, several = SinkContext(25), SinkContext(25, "door")
    targets = (f"trace={tmp_path}/t.jsonl", f"labels={tmp_path}/maps")
    sinks = [open_sink(target, context) for context in (alone, several) for target in targets]
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    for sink in sinks:
        sink.close()
    assert written == ["maps", "maps/door", "t-door.jsonl", "t.jsonl"]


def test_a_closed_file_takes_nothing_and_closes_again(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "lines.jsonl")
    lines.append({"a": 1})
    lines.close()
    lines.close()
    with pytest.raises(StateError, match="has been closed"):
        lines.append({"a": 2})


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    context = SinkContext(25)
    with pytest.raises(OptionError, match="Unknown sink 'movie'"):
        open_sink("movie", context)
    with pytest.raises(OptionError, match="needs a target"):
        open_sink("trace", context)
    kinds = {"plain": Plain, "failing": Failing}
    monkeypatch.setattr(SINKS, "get", kinds.__getitem__, raising=False)
    assert isinstance(open_sink("plain", context), Plain)
    with pytest.raises(OptionError, match="takes no target"):
        open_sink("plain=there", context)
    with pytest.raises(SinkError, match="ZeroDivisionError: of its own"):
        open_sink("failing", context)


def test_opening_one_sink_imports_no_other() -> None:
    code = (
        "import sys; from ermu.runtime.sinks.opening import open_sink; "
        "from ermu.runtime.sinks.base import SinkContext; open_sink('trace=/dev/null', SinkContext(25)); "
        "kinds = 'ermu.runtime.sinks.kinds.'; print([m for m in sys.modules if m.startswith(kinds)])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "['ermu.runtime.sinks.kinds.trace']"
