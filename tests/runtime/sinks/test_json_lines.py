"""Records on the disk: whole lines, gone on with after a restart, in segments where that is wanted."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.errors import SinkError
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import SinkContext
from ermu.runtime.sinks.json_lines import JsonLines, JsonLinesSink
from ermu.runtime.sinks.kinds.events import EventSink
from ermu.runtime.sinks.kinds.objects import ObjectSink
from ermu.runtime.sinks.kinds.trace import TraceSink
from ermu.runtime.sources.base import Frame
from tests.support.disks import fill, small_disk

LIVE = SinkContext(25, live=True)
EMPTY = np.zeros((4, 4, 3), np.uint8)


def write(sink: JsonLinesSink, count: int, *, seconds: float = 0.1) -> None:
    """As many frames, so far apart."""
    with sink:
        for index in range(count):
            frame = Frame(index, str(index), EMPTY, time=seconds * index)
            sink.write(frame, FrameResult(index, EMPTY[..., 0], []))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_never_written_is_not_there(tmp_path: Path) -> None:
    """No frame came; one without a record leaves an empty file, and what was there before stays."""
    path, earlier, device = tmp_path / "lines.jsonl", tmp_path / "earlier.jsonl", Path("/dev/null")
    earlier.touch()
    for sink in (EventSink(path), EventSink(earlier, LIVE), TraceSink(device)):
        assert sink._lines is not None and sink._lines._path.exists()
        sink.close()
        sink.close()
    assert not path.exists() and earlier.exists() and device.exists()
    write(EventSink(path), 1)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("kind", [ObjectSink, TraceSink])
@pytest.mark.parametrize(
    ("torn", "left"),
    [(b"", 3), (b'{"frame": 3, "na', 3), (b'{"frame": 3, "name": "3"}', 4)],
    ids=["whole", "torn", "without its end"],
)
def test_a_restarted_stream_goes_on(
    kind: type[JsonLinesSink], torn: bytes, left: int, tmp_path: Path
) -> None:
    path = tmp_path / "lines.jsonl"
    write(kind(path, LIVE), 3)
    with path.open("ab") as file:
        file.write(torn)
    before = path.read_bytes()
    write(kind(path, LIVE), 2)
    written = lines(path)
    assert [line["frame"] for line in written] == [*range(left), 0, 1]
    assert path.read_bytes().startswith(before[: -len(torn) or None])


def test_the_time_of_day_tells_runs_apart(tmp_path: Path) -> None:
    write(ObjectSink(tmp_path / "live.jsonl", LIVE), 1)
    (record,) = lines(tmp_path / "live.jsonl")
    ago = datetime.now(timezone.utc) - datetime.fromisoformat(record["utc"].replace("Z", "+00:00"))
    assert timedelta(0) <= ago < timedelta(minutes=1)
    write(ObjectSink(tmp_path / "file.jsonl"), 1)
    assert "utc" not in lines(tmp_path / "file.jsonl")[0]


@pytest.mark.parametrize(
    "content",
    [b"precious\n", b"[1, 2]\n", b'{"frame": 1}\n', b'{"event": "lost", "stream": "0"}\n', b"\xff\xfe\n"],
)
def test_what_another_wrote_is_not_gone_on_with(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(content)
    for kind in (ObjectSink, TraceSink, EventSink):
        assert not kind.keeps(path, LIVE)
        with pytest.raises(SinkError, match=f"does not hold {kind.name} records"):
            kind(path, LIVE)
    assert path.read_bytes() == content
    write(ObjectSink(path, SinkContext(25, live=True, overwrite=True)), 1)
    assert len(lines(path)) == 1


def test_one_kinds_records_are_not_the_others(tmp_path: Path) -> None:
    write(ObjectSink(tmp_path / "objects.jsonl", LIVE), 1)
    assert ObjectSink.keeps(tmp_path / "objects.jsonl", LIVE)
    assert not ObjectSink.keeps(tmp_path / "objects.jsonl", SinkContext(25))
    assert not TraceSink.keeps(tmp_path / "objects.jsonl", LIVE)


def test_two_writers_of_a_file_are_one_too_many(tmp_path: Path) -> None:
    """Neither writes between the other's lines nor, with --overwrite, away what it has."""
    path = tmp_path / "objects.jsonl"
    first = ObjectSink(path, LIVE)
    write(first, 0)
    first = ObjectSink(path, LIVE)
    first.write(Frame(0, "0", EMPTY, time=0.0), FrameResult(0, EMPTY[..., 0], []))
    for context in (LIVE, SinkContext(25, live=True, overwrite=True)):
        with pytest.raises(SinkError, match="written by another process"):
            ObjectSink(path, context)
    first.close()
    assert len(lines(path)) == 1
    for _ in range(2):
        assert isinstance(JsonLines(Path(os.devnull)), JsonLines)


def test_a_segment_without_a_record_is_no_file(tmp_path: Path) -> None:
    write(EventSink(tmp_path / "events.jsonl", SinkContext(25, segment_seconds=1)), 25)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 32) as small:
        records = JsonLines(small / "lines.jsonl")
        records.append({"number": 0})
        ballast = fill(small)
        with pytest.raises(SinkError, match="No space left"):
            for number in range(1, 1000):
                records.append({"number": number, "long": "x" * 100})
        records.close()
        written = lines(small / "lines.jsonl")
        assert [record["number"] for record in written] == list(range(len(written)))
        ballast.unlink()
        again = JsonLines(small / "lines.jsonl", behind=True)
        again.append({"number": -1})
        again.close()
        assert lines(small / "lines.jsonl") == [*written, {"number": -1}]


def test_segments_and_how_long_they_are_kept(tmp_path: Path) -> None:
    context = SinkContext(25, live=True, segment_seconds=1, keep_days=2)
    path = tmp_path / "objects.jsonl"
    write(ObjectSink(path, context), 25)
    first = set(tmp_path.iterdir())
    assert sorted(len(lines(segment)) for segment in first) == [5, 10, 10]
    assert path not in first
    names = [f"objects-2020010{days}T000000Z.jsonl" for days in (1, 2, 3, 4)]
    for segment, name in zip(first, names, strict=False):
        segment.rename(tmp_path / name)
    (tmp_path / names[3]).write_text("a name like ours\n")
    for days, name in enumerate(names, 1):
        then = time.time() - days * 86_400 - 60
        os.utime(tmp_path / name, (then, then))
    write(ObjectSink(path, context), 1)
    kept = {segment.name for segment in tmp_path.iterdir()}
    assert kept & {*names} == {names[0], names[3]}  # of a day, and what is not ours
    assert len(kept) == 3


def test_files_are_not_removed_without_segments() -> None:
    with pytest.raises(ValueError, match="cannot be removed in parts"):
        SinkContext(25, keep_days=3)
    with pytest.raises(ValueError, match="segment_seconds is 0"):
        SinkContext(25, segment_seconds=0)
