"""The log drops what a killed run wrote after its last checkpoint, and a picture can be drawn of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermu.training.log import TrainingLog, read_log

ROW = {"loss": 1.0, "frames": 0.5, "reference": 0.5, "jaccard": 0.25, "rate": 1e-4, "seconds": 2.0}


def test_rows_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = TrainingLog(path, 0)
    for step in (10, 20, 30):
        log.write({"step": step, **ROW})
    resumed = TrainingLog(path, 20)
    resumed.write({"step": 30, **ROW, "validation_j": 0.75, "validation_j_last": 0.5})
    rows = read_log(path)
    assert [(row["step"], row["validation_j"]) for row in rows] == [("10", ""), ("20", ""), ("30", "0.75")]
    assert rows[0]["rate"] == "0.0001"
    anew = TrainingLog(path, 0)
    assert len(read_log(path)) == 3, "nothing is lost before there is something else"
    anew.write({"step": 10, **ROW})
    assert [row["step"] for row in read_log(path)] == ["10"]


def test_a_training_that_never_ran_leaves_none(tmp_path: Path) -> None:
    TrainingLog(tmp_path / "out" / "log.csv", 0)
    assert not (tmp_path / "out").exists()


def test_curve_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the curve needs matplotlib")
    from PIL import Image

    from ermu.training.curve import plot_curve

    log = TrainingLog(tmp_path / "log.csv", 0)
    for step in range(10, 100, 10):
        log.write(
            {"step": step, **ROW, **({"validation_j": 0.5, "validation_j_last": 0.4} if step == 50 else {})}
        )
    plot_curve(tmp_path / "log.csv", tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (990, 440)
