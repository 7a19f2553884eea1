"""The table of speed from stored reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermu.benchmarks.report.table import load_reports, markdown_table, replace_table
from ermu.errors import BenchmarkError
from tests.benchmarks.reports import STAGES, report


def test_a_row_a_report_and_a_column_a_peer() -> None:
    """96 ms a frame, torch 480: five times."""
    lines = markdown_table([report(STAGES), report(STAGES, torch_ms=None)]).splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("| torch-published |")
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[0] == "r50_aotl, 353x641, T = 9"
    assert cells[3] == "96.0 ms (96.0 / 96.0)"
    assert cells[2] == "**5.00x** torch-published"
    assert cells[-4:] == ["50%", "512 MB", "", "fp32: 480 ms, 5.00x, 99.95% of pixels"]
    assert lines[3].rstrip(" |").endswith("512 MB")


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("above\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nbelow\n")
    replace_table(page, "| new |")
    replace_table(page, "| newer |")
    assert page.read_text() == "above\n<!-- bench:begin -->\n| newer |\n<!-- bench:end -->\nbelow\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("no table here\n")
    with pytest.raises(BenchmarkError, match="no place"):
        replace_table(page, "| new |")
    assert page.read_text() == "no table here\n"


def test_reports_are_read_by_name(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no reports"):
        load_reports(tmp_path)
    report(STAGES).save(tmp_path / "bench-b.json")
    report({"encode": 1.0}).save(tmp_path / "bench-a.json")
    report(STAGES).save(tmp_path / "other.json")
    assert [round(r.cycle_ms) for r in load_reports(tmp_path)] == [1, 96]
