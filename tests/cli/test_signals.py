"""A signal that comes before the streams run ends them as soon as they do; a second one ends the process."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from time import sleep

import pytest

from ermu.cli.signals import StopSignals
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.opening import open_source
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from tests.runtime.conftest import until
from tests.support.processes import running


@pytest.fixture
def pipeline(tiny_bundle: Path) -> Pipeline:
    """A live stream that does not end by itself."""
    source = open_source("scene:4,size=48x64,frames=4,objects=1,swing")
    made = Pipeline(Segmenter(tiny_bundle, threads=1), source)
    made.begin()
    return made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_came_too_early_counts(pipeline: Pipeline, number: int) -> None:
    before = signal.getsignal(number)
    told: list[str] = []
    with StopSignals() as signals:
        signal.raise_signal(number)
        came = signals.run(Scheduler([pipeline], endless=True), on_stop=lambda: told.append("stop"))
    assert came == number and told == ["stop"]
    assert signal.getsignal(number) is before


def test_a_second_one_does_not_wait() -> None:
    with pytest.raises(SystemExit) as ended, StopSignals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM


def test_two_at_once_end_a_run_of_two_lanes(tmp_path: Path) -> None:
    """Readers and lanes are in the middle of something then, and nothing aborts."""
    sources = [option for i in (1, 2) for option in ("--source", f"scene:{i},size=360x640,frames=4000")]
    command = [sys.executable, "-m", "ermu", "run", "--bundle", "demo", "--lanes", 2, *sources]
    for number in range(3):
        out = tmp_path / str(number)
        with running([*command, "--out", out]) as process:
            assert until(lambda out=out: len(list(out.rglob("*.png"))) > 4, 60)
            process.send_signal(signal.SIGINT)
            sleep(0.03 * number)
            process.send_signal(signal.SIGINT)
            said, complained = process.communicate(timeout=60)
        assert process.returncode in (128 + signal.SIGINT, -signal.SIGINT), complained
        assert "terminate" not in said + complained and "Traceback" not in complained
