"""Submissions: the zip file's names and pictures are those that a dataset's server takes."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ermu.errors import DatasetError, OptionError, SinkError
from ermu.evaluation.datasets import open_dataset
from ermu.evaluation.submission import write_submission
from tests.cli.commands.test_eval import ermu_eval
from tests.evaluation.layouts import bars, vost, write_frames, write_labels
from tests.evaluation.test_layouts import ALONE, NAMES, sav, youtubevos


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_mose_submits_a_folder_a_sequence(tmp_path: Path) -> None:
    write_frames(tmp_path / "MOSE" / "valid" / "JPEGImages" / "a7", NAMES)
    write_labels(tmp_path / "MOSE" / "valid" / "Annotations" / "a7", {NAMES[0]: ALONE})
    path, out = tmp_path / "mose.zip", tmp_path / "out"
    options = ("--dataset", "mose", "--root", tmp_path / "MOSE", "--baseline", "hold")
    code, printed = ermu_eval(*options, "--out", out, "--submission", path)
    assert code == 0 and f"6 files packed into {path}" in printed
    assert "a7 is not scored: nothing but its prompts is annotated" in printed
    assert names(path) == [f"a7/{name}.png" for name in NAMES]
    with zipfile.ZipFile(path) as archive:
        picture = Image.open(BytesIO(archive.read("a7/00003.png")))
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), ALONE)
    with pytest.raises(SinkError, match="exists"):
        ermu_eval(*options, "--out", tmp_path / "again", "--submission", path)
    assert not (tmp_path / "again").exists()


def test_youtubevos_submits_the_frames_of_its_meta_file(tmp_path: Path) -> None:
    root = youtubevos(tmp_path / "YTVOS", {NAMES[0]: ALONE})
    options = ("--dataset", "youtubevos", "--root", root, "--baseline", "hold", "--out", tmp_path / "out")
    code, _ = ermu_eval(*options, "--submission", tmp_path / "y.zip")
    assert code == 0 and names(tmp_path / "y.zip") == [f"Annotations/0a1b/{name}.png" for name in NAMES[:5]]


def test_sav_submits_a_mask_for_each_object_of_each_annotated_frame(tmp_path: Path) -> None:
    root = sav(tmp_path / "SAV")
    options = ("--dataset", "sav", "--root", root, "--baseline", "hold", "--out", tmp_path / "out")
    code, _ = ermu_eval(*options, "--submission", tmp_path / "s.zip")
    frames = [f"{i:05d}" for i in range(0, 8, 2)]
    assert code == 0
    assert names(tmp_path / "s.zip") == [f"sav_7/{o}/{f}.png" for f in frames for o in ("000", "001")]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        part = np.asarray(Image.open(BytesIO(archive.read("sav_7/001/00004.png"))))
    np.testing.assert_array_equal(part, bars((5, 0)))


def test_an_incomplete_submission_is_not_written(tmp_path: Path) -> None:
    root = vost(tmp_path / "VOST")
    dataset = open_dataset("vost", root).only(["walk"])
    write_labels(tmp_path / "results" / "walk", {"frame00000": ALONE})
    with pytest.raises(DatasetError, match=r"no .*frame00006\.png"):
        write_submission(dataset, tmp_path / "results", tmp_path / "v.zip")
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (("--submission", "x.tar"), SinkError, "zip"),
        (("--submission", "none/x.zip"), SinkError, "no folder none"),
        (("--submission", "x.zip", "--compare-policies"), OptionError, "one run"),
    ],
)
def test_what_cannot_be_submitted_is_said_first(
    tmp_path: Path, options: tuple[str, ...], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ermu_eval("--out", tmp_path / "out", "--bundle", "demo", *options)
    assert not (tmp_path / "out").exists()


def test_scores_outlive_a_run_that_was_stopped(tmp_path: Path) -> None:
    """What could not be scored is remembered too."""
    root = youtubevos(tmp_path / "YTVOS", {NAMES[0]: ALONE, NAMES[2]: bars((0, 16))})
    options = ("--dataset", "youtubevos", "--root", root, "--baseline", "hold", "--out", tmp_path / "out")
    ermu_eval(*options)
    kept = json.loads((tmp_path / "out" / "_scores" / "0a1b.json").read_text())
    assert kept["ids"] == [1, 2] and kept["unscored"]
    code, printed = ermu_eval(*options, "--resume")
    assert code == 0 and "1 sequences were scored before" in printed and "0a1b is not scored" in printed
