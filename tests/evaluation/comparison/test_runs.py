"""Several runs in one table, and the plots."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from ermu.evaluation.comparison.runs import compared_settings, planned_runs, write_comparison
from ermu.evaluation.datasets import open_dataset
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.runner import Run
from tests.evaluation.layouts import vost


def test_policies_and_baseline_become_runs_in_folders_of_their_own(tmp_path: Path) -> None:
    dataset = open_dataset("scenes", split="policy")
    settings = compared_settings(RunSettings(bundle="demo"), "flow", policies=True)
    assert [each.name for each in settings] == ["ermu", "fifo", "none", "rmem", "spread", "flow"]
    runs = planned_runs(dataset, settings, tmp_path / "out", workers=2, resume=True)
    assert [run.out.name for run in runs] == ["ermu", "fifo", "none", "rmem", "spread", "flow"]
    assert all(run.workers == 2 and run.resume for run in runs)
    (alone,) = planned_runs(dataset, settings[:1], tmp_path / "single")
    assert alone.out == tmp_path / "single"


def test_policies_that_a_network_cannot_have_are_left_out_and_named(
    sam2_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = compared_settings(RunSettings(bundle=str(sam2_bundle)), None, policies=True)
    assert [each.policy for each in settings] == ["ermu", "fifo", "rmem"]
    assert caplog.messages[0].endswith(": none, spread.")


def test_the_comparison_has_a_row_for_every_run(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    settings = [RunSettings(baseline="hold"), RunSettings(baseline="flow")]
    runs = planned_runs(dataset, settings, tmp_path / "out")
    reports = {run.settings.name: run.execute() for run in runs}
    write_comparison(reports, tmp_path / "out" / "comparison.csv")
    header, hold, flow = (tmp_path / "out" / "comparison.csv").read_text().splitlines()
    assert header == "Run,J-Mean,J_last-Mean,J gained,from,to,Memory frames,ms a frame"
    assert hold.startswith("hold,0.800000,0.625000,-,-,-,1,")
    assert flow.startswith("flow,0.800000,0.625000,0.000000,0.000000,0.000000,1,")


def test_j_over_time_is_drawn_for_every_sequence(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from ermu.evaluation.plots import plot_report

    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    report = Run(dataset, RunSettings(baseline="hold"), tmp_path / "out").execute()
    (tmp_path / "plots").mkdir()
    plot_report(report, tmp_path / "plots")
    for name in ("walk", "stay"):
        picture = cv2.imread(str(tmp_path / "plots" / f"{name}.png"))
        assert picture is not None and picture.shape[1] > 600 and picture.std() > 5
