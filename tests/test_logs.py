"""What the log says of live streams: whose line it is, and how often a thing is said."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ermu import logs
from ermu.logs import BURST, JsonFormatter, LimitRepeats, Repeats, TextFormatter, in_stream


class Lines(logging.Handler):
    """Keeps what a formatter makes of records."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(formatter)
        self.addFilter(LimitRepeats())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, to be moved on by hand."""
    now = [1000.0]
    monkeypatch.setattr(logs, "monotonic", lambda: now[0])
    yield now


@pytest.fixture
def listening() -> Iterator[Lines]:
    """The lines of the loggers `ermu.sources` and `ermu.serve`."""
    lines = Lines(TextFormatter(journal=True))
    loggers = [logging.getLogger(name) for name in ("ermu.sources", "ermu.serve")]
    for logger in loggers:
        logger.addHandler(lines)
    yield lines
    for logger in loggers:
        logger.removeHandler(lines)


def test_a_thing_is_said_five_times_and_once_a_minute_then(clock: list[float]) -> None:
    repeats = Repeats()
    assert [repeats.left_out("a") for _ in range(BURST + 3)] == [0] * BURST + [None] * 3
    assert repeats.left_out("b") == 0
    clock[0] += 59
    assert repeats.left_out("a") is None
    clock[0] += 1
    assert [repeats.left_out("a"), repeats.left_out("a")] == [4, None]
    clock[0] += 3600
    assert [repeats.left_out("a") for _ in range(BURST + 1)] == [1] + [0] * (BURST - 1) + [None]


def test_kinds_without_end_take_no_memory_without_end(clock: list[float]) -> None:
    repeats = Repeats()
    for number in range(5000):
        assert repeats.left_out(number) == 0
    assert len(repeats._allowances) <= 1024


def test_lines_have_their_stream_and_a_stream_has_its_own_allowance(
    clock: list[float], listening: Lines
) -> None:
    logger = logging.getLogger("ermu.sources")
    for stream in ("yard", "gate"):
        with in_stream(stream):
            for number in range(7):
                logger.warning("lost for the %d. time", number)
    assert listening.lines[0] == "<4>WARNING ermu.sources: stream yard: lost for the 0. time"
    assert len(listening.lines) == 2 * BURST
    clock[0] += 60
    with in_stream("yard"):
        for number in range(2):
            logger.warning("lost for the %d. time", number)
    assert len(listening.lines) == 2 * BURST + 2  # another place in the code
    with in_stream("yard"):
        logger.warning("The stream %s has failed", "yard")
    assert listening.lines[-1] == "<4>WARNING ermu.sources: The stream yard has failed"  # named once


def test_what_was_left_out_is_counted(clock: list[float], listening: Lines) -> None:
    logger = logging.getLogger("ermu.serve")
    for number in range(20):
        clock[0] += 60 if number == 19 else 0
        logger.warning("refused")
    assert listening.lines[-1] == "<4>WARNING ermu.serve: refused (14 more like it were left out)"
    assert len(listening.lines) == BURST + 1


def test_lines_of_files_all_come(listening: Lines) -> None:
    for number in range(20):
        logging.getLogger("ermu.sources").warning("%d.jpg is damaged", number)
    assert len(listening.lines) == 20


def test_json_has_the_stream_as_a_field(listening: Lines) -> None:
    listening.setFormatter(JsonFormatter())
    with in_stream("yard"):
        logging.getLogger("ermu.sources").warning("lost")
    line = json.loads(listening.lines[0])
    assert (line["stream"], line["message"], "left_out" in line) == ("yard", "lost", False)


@pytest.mark.parametrize("journal", [True, False])
def test_in_the_journal_lines_have_a_priority_and_no_time(journal: bool) -> None:
    """`$JOURNAL_STREAM` has device and inode of the stream that systemd gave, as systemd.exec(5) says."""
    script = (
        "import logging, os, sys\n"
        "from ermu.logs import show_log\n"
        f"place = os.fstat(2 if {journal} else 0)\n"
        "os.environ['JOURNAL_STREAM'] = f'{place.st_dev}:{place.st_ino}'\n"
        "show_log(verbose=False)\n"
        "logging.getLogger('ermu.serve').error('two\\nlines')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    if journal:
        assert done.stderr == "<3>ERROR ermu.serve: two\n<3>lines\n"
    else:
        assert done.stderr[2] == ":" and done.stderr.endswith(" ERROR ermu.serve: two\nlines\n")
