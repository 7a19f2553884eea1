"""Runs end to end on small folders: tables by hand, resuming after a kill, broken sequences, workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import DatasetError, OptionError, SinkError
from ermu.evaluation.datasets import open_dataset
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.runner import Run, score_only
from ermu.runtime.images.labels import read_label_map
from tests.evaluation.layouts import HW, WIDTHS, bars, vost, write_labels

HOLD = RunSettings(baseline="hold")

# The prompt is held: J of a bar of width w against one of p is min / max. Frames 2 to 4 are scored:
#   walk_1: 8/8, 8/10, 8/16 = 1, 0.8, 0.5   walk_2: 16/20, 16/32, 16/16 = 0.8, 0.5, 1
#   stay_1: 1, 1, 1                         stay_2: 1, 1, 0 (it vanishes, the prompt does not)
# J_last is the third: floor(0.75 * 3) = 2. Bins: linspace(1, 3, 5) = 1, 1.5, 2, 2.5, 3, rounded
# to 1, 2, 2, 3 (2.5 + 1e-10), 3: the first bin is frames 1 and 2, the fourth is frame 3.
BY_HAND = {
    "J-Mean": np.mean([2.3 / 3, 2.3 / 3, 1, 2 / 3]),
    "J-Recall": np.mean([2 / 3, 2 / 3, 1, 2 / 3]),
    "J-Decay": np.mean([0.9 - 0.5, 0.65 - 1, 0, 1]),
    "J_last-Mean": np.mean([0.5, 1, 1, 0]),
    "J_last-Recall": np.mean([0, 1, 1, 0]),
    "J_last-Decay": 0.0,
}
GLOBAL = ",".join(BY_HAND) + "\n" + ",".join(f"{value:.6f}" for value in BY_HAND.values()) + "\n"
PER_SEQUENCE = (
    "Sequence,J-Mean,J_last-Mean\n"
    "walk_1,0.766667,0.500000\nwalk_2,0.766667,1.000000\nstay_1,1.000000,1.000000\nstay_2,0.666667,0.000000\n"
)


def test_a_vost_folder_gives_the_tables_worked_out_by_hand(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    report = Run(dataset, HOLD, tmp_path / "out").execute()
    assert (tmp_path / "out" / "global_results-val.csv").read_text() == GLOBAL
    assert (tmp_path / "out" / "per-sequence_results-val.csv").read_text() == PER_SEQUENCE
    assert report.figures == pytest.approx(BY_HAND)
    assert [scores.frames_run for scores in report.scores] == [9, 9]
    written = sorted(path.name for path in (tmp_path / "out" / "walk").iterdir())
    assert written == [f"frame{i:05d}.png" for i in range(0, 54, 6)]
    np.testing.assert_array_equal(
        read_label_map(tmp_path / "out/walk/frame00006.png"), bars((8, 16), ignore=4)
    )


def test_another_split_is_another_table(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"), "train")
    Run(dataset, HOLD, tmp_path / "out").execute()
    lines = (tmp_path / "out" / "per-sequence_results-train.csv").read_text().splitlines()
    assert lines[1:] == ["stay_1,1.000000,1.000000", "stay_2,0.666667,0.000000"]


def test_flow_warping_leaves_a_still_video_alone(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    report = Run(dataset, RunSettings(baseline="flow"), tmp_path / "out").execute()
    assert report.figures == pytest.approx(BY_HAND)


def test_results_that_exist_are_scored_alike(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    for name, widths in WIDTHS.items():
        frames = [f"frame{i:05d}" for i in range(0, 54, 12)]
        write_labels(tmp_path / "results" / name, dict.fromkeys(frames[1:-1], bars(widths[0])))
    score_only(dataset, tmp_path / "results", tmp_path / "tables")
    assert (tmp_path / "tables" / "global_results-val.csv").read_text() == GLOBAL
    assert (tmp_path / "tables" / "per-sequence_results-val.csv").read_text() == PER_SEQUENCE


def test_missing_results_and_wrong_sizes_are_failures_of_their_sequence(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    frames = [f"frame{i:05d}" for i in range(0, 54, 12)]
    write_labels(tmp_path / "results" / "stay", {frames[1]: bars((8, 16))})
    with pytest.raises(DatasetError, match="no result for 2 of 3"):
        score_only(dataset, tmp_path / "results", tmp_path / "tables")
    write_labels(tmp_path / "results" / "walk", dict.fromkeys(frames, bars((8, 16))))
    report = score_only(dataset, tmp_path / "results", tmp_path / "tables")
    assert [scores.sequence for scores in report.scores] == ["walk"]
    assert "frame00024" in report.failures["stay"]
    small = dict.fromkeys(frames, np.zeros((5, 5), np.uint8))
    write_labels(tmp_path / "small" / "walk", small)
    with pytest.raises(DatasetError, match=f"5x5[^$]*{HW[1]}x{HW[0]}"):
        score_only(dataset.only(["walk"]), tmp_path / "small", tmp_path / "tables")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_sequence_is_reported_and_the_rest_finished(tmp_path: Path, workers: int) -> None:
    root = vost(tmp_path / "VOST")
    (root / "JPEGImages_10fps" / "walk" / "frame00018.jpg").write_bytes(b"not a picture")
    (root / "ImageSets" / "val.txt").write_text("walk\nstay\nabsent\n")
    report = Run(open_dataset("vost", root), HOLD, tmp_path / "out", workers).execute()
    assert "frame00018.jpg" in report.failures["walk"] and "absent" in report.failures["absent"]
    assert [scores.sequence for scores in report.scores] == ["stay"]
    assert (tmp_path / "out" / "per-sequence_results-val.csv").read_text().splitlines()[1:] == [
        "stay_1,1.000000,1.000000",
        "stay_2,0.666667,0.000000",
    ]


def test_a_run_resumes_after_a_kill_and_scores_nothing_twice(tmp_path: Path) -> None:
    """A process that dies hard in the second sequence; resumed, the first one's scores are untouched."""
    root, out = vost(tmp_path / "VOST"), tmp_path / "out"
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from ermu.evaluation.datasets import open_dataset\n"
        "from ermu.evaluation.prediction.settings import RunSettings\n"
        "from ermu.evaluation.runner import Run\n"
        f"dataset, out = open_dataset('vost', Path({str(root)!r})), Path({str(out)!r})\n"
        "run = Run(dataset, RunSettings(baseline='hold'), out)\n"
        "run.execute(lambda name, outcome: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    kept = out / "_scores" / "walk.json"
    stamp = kept.stat().st_mtime_ns
    assert not (out / "global_results-val.csv").exists()
    (out / "stay").mkdir()
    (out / "stay" / "frame00000.png").write_bytes(b"half a file")
    time.sleep(0.01)
    ran: list[str] = []
    run = Run(open_dataset("vost", root), HOLD, out, resume=True)
    report = run.execute(lambda name, outcome: ran.append(name))
    assert ran == ["stay"] and report.resumed == 1 and kept.stat().st_mtime_ns == stamp
    assert (out / "global_results-val.csv").read_text() == GLOBAL
    assert (out / "per-sequence_results-val.csv").read_text() == PER_SEQUENCE


def test_results_are_not_mixed(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    Run(dataset, HOLD, tmp_path / "out").execute()
    with pytest.raises(SinkError, match="not empty"):
        Run(dataset, HOLD, tmp_path / "out").execute()
    with pytest.raises(SinkError, match="results of another run: baseline 'hold'"):
        Run(dataset, RunSettings(baseline="flow"), tmp_path / "out", resume=True).execute()


def test_damaged_scores_are_named(tmp_path: Path) -> None:
    dataset = open_dataset("vost", vost(tmp_path / "VOST"))
    Run(dataset, HOLD, tmp_path / "out").execute()
    (tmp_path / "out" / "_scores" / "walk.json").write_text(json.dumps({"sequence": "walk"}))
    with pytest.raises(DatasetError, match=r"walk\.json are damaged"):
        Run(dataset, HOLD, tmp_path / "out", resume=True).execute()


def test_a_run_needs_one_way_to_make_label_maps() -> None:
    with pytest.raises(DatasetError, match="only one"):
        RunSettings()
    with pytest.raises(OptionError, match="Unknown baseline 'magic'"):
        RunSettings(baseline="magic")
