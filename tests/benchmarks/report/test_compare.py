"""Two reports: how much slower, by whose measure, and which stage moved."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ermu.benchmarks.report.compare import compare_reports, verdict
from ermu.benchmarks.report.report import Report
from ermu.cli import app
from ermu.errors import BenchmarkError
from tests.benchmarks.reports import STAGES, report


def test_a_slower_stage_is_named() -> None:
    """Propagate 60 -> 84 of 96 ms: a quarter slower."""
    comparison = compare_reports(report(STAGES), report(STAGES | {"propagate": 84.0}))
    assert comparison.slowdown == pytest.approx(1.25)
    assert comparison.slower
    assert comparison.moved == ["propagate"]
    assert "propagate +40%" in verdict(comparison)


def test_a_machine_that_slows_everybody_is_no_regression() -> None:
    """Everything takes half as long again, torch too."""
    after = report({stage: 1.5 * ms for stage, ms in STAGES.items()}, torch_ms=720.0)
    comparison = compare_reports(report(STAGES), after)
    assert comparison.cycle_ms.ratio == pytest.approx(1.5)
    assert comparison.slowdown == pytest.approx(1.0)
    assert not comparison.slower
    assert comparison.moved == []


def test_a_regression_shows_though_the_machine_is_faster() -> None:
    """Torch twice as fast, ours as slow as before: ours lost half."""
    comparison = compare_reports(report(STAGES), report(STAGES, torch_ms=240.0, kind="four-cores"))
    assert not comparison.same_machine
    assert comparison.slowdown == pytest.approx(2.0)
    assert comparison.moved == ["propagate", "encode", "decode", "label"]


def test_a_stage_too_short_to_matter_is_not_named() -> None:
    """The label kernel doubles, by 1% of a frame."""
    comparison = compare_reports(report(STAGES), report(STAGES | {"label": 1.9}))
    assert comparison.moved == []
    assert not comparison.slower


def test_without_a_peer_times_count_on_one_kind_of_machine_only() -> None:
    before, after = report(STAGES, torch_ms=None), report(STAGES | {"encode": 40.0}, torch_ms=None)
    assert compare_reports(before, after).slowdown == pytest.approx(116 / 96)
    with pytest.raises(BenchmarkError, match="Nothing links"):
        compare_reports(before, report(STAGES, torch_ms=None, kind="four-cores"))


def test_other_settings_are_told() -> None:
    before, after = report(STAGES), report(STAGES)
    after = after.model_copy(update={"setup": after.setup.model_copy(update={"precision": "int8"})})
    assert compare_reports(before, after).setup == {"precision": ("fp32", "int8")}


@pytest.mark.parametrize(
    ("propagate", "tolerance", "code"),
    [(60.0, "0.1", 0), (84.0, "0.1", 1), (84.0, "0.3", 0), (30.0, "0.1", 0)],
)
def test_exit_codes(tmp_path: Path, propagate: float, tolerance: str, code: int) -> None:
    report(STAGES).save(tmp_path / "a.json")
    report(STAGES | {"propagate": propagate}).save(tmp_path / "b.json")
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    result = CliRunner().invoke(app, ["bench", "--compare", *files, "--tolerance", tolerance])
    assert result.exit_code == code, result.output
    assert ("propagate" in result.output.splitlines()[-1]) == (propagate != 60.0)


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="cannot be read"):
        Report.load(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"frames": 3}')
    with pytest.raises(BenchmarkError, match=r"other\.json"):
        Report.load(tmp_path / "other.json")
