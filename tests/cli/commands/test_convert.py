"""`ermu convert` from the command line, and corrections made elsewhere that come back as prompts."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ermu.cli import app
from ermu.errors import ErmuError
from ermu.runtime.images.labels import read_label_map, write_label_map
from tests.cli.commands.test_run import ermu
from tests.cli.test_paths import contents

HW = (48, 64)
FRAMES = 5


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Frames, and a prompt of one object."""
    (tmp_path / "frames").mkdir()
    for i in range(FRAMES):
        image = np.random.default_rng(i).integers(0, 256, (*HW, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "frames" / f"{i:05d}.png"), image)
    label = np.zeros(HW, np.uint8)
    label[10:30, 10:30] = 2
    write_label_map(tmp_path / "prompt.png", label)
    return tmp_path


def test_corrections_come_back_as_prompts(home: Path, tiny_bundle: Path) -> None:
    """A run's result as COCO, an object drawn on its fourth frame without an id, and a run with that."""
    pytest.importorskip("pycocotools", reason="rasterises polygons")
    run = ("run", "--bundle", tiny_bundle, "--source", "frames")
    assert ermu(*run, "--prompt", "prompt.png", "--out", "first", cwd=home).returncode == 0
    convert = ("convert", "--source", "first", "--to", "coco", "--out", "a.json", "--images", "frames")
    done = ermu(*convert, "--category", "2=dog", cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"labels -> coco: {FRAMES} frames, 1 objects -> a.json\n"
    document = json.loads((home / "a.json").read_text())
    assert [image["file_name"] for image in document["images"]] == [f"{i:05d}.png" for i in range(FRAMES)]
    assert document["categories"] == [{"id": 1, "name": "dog"}]
    drawn = {"id": 99, "image_id": document["images"][3]["id"], "category_id": 1}
    document["annotations"].append({**drawn, "segmentation": [[40, 20, 60, 20, 60, 40, 40, 40]]})
    (home / "b.json").write_text(json.dumps(document))
    assert (
        ermu("convert", "--source", "b.json", "--to", "labels", "--out", "prompts", cwd=home).returncode == 0
    )
    done = ermu(*run, "--prompts", "prompts", "--out", "second", cwd=home)
    assert done.returncode == 0, done.stderr
    found = [read_label_map(home / "second" / "labels" / f"{i:05d}.png") for i in range(FRAMES)]
    assert np.array_equal(found[0] == 2, read_label_map(home / "prompt.png") == 2)
    assert not any((label == 1).any() for label in found[:3])
    expected = np.zeros(HW, bool)
    expected[20:40, 40:60] = True
    assert np.array_equal(found[3] == 1, expected)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--source frames --to coco --out a.json", 1, "frames is of no format that is known"),
        ("--source gone --to coco --out a.json", 1, "There is nothing at gone"),
        ("--source labels --to nothing --out a", 1, "Unknown annotation format 'nothing'"),
        ("--source labels --from nothing --to coco --out a", 1, "Unknown annotation format 'nothing'"),
        ("--source labels --from coco --to mots --out a", 1, "labels cannot be read"),
        ("--source labels --to coco --out notes.txt", 1, "notes.txt exists already"),
        ("--source labels --to coco --out labels/00000.png --overwrite", 1, "over a part of the source"),
        ("--source labels --to labels --out labels --overwrite", 1, "written over the source"),
        ("--source labels/00000.png --to labels --out labels --overwrite", 1, "lies among the labels"),
        ("--source labels --to mots --out frames", 1, "frames is not empty"),
        ("--source labels --to mots --out frames --overwrite", 1, "was not written by `ermu convert`"),
        ("--source labels --to mots --out frames --images frames --overwrite", 1, "over the images"),
        ("--source labels --to mots --out a --category 0=x", 1, "--category 0=x names no object"),
        ("--source labels --to mots --out a --category 1=", 1, "names no object"),
        ("--source labels --to mots --out a --category 1=x --category 1=y", 1, "object 1 twice"),
        ("--to mots --out a", 2, "--source"),
        ("--source labels --to coco --out /dev/stdout", 1, "/dev/stdout is a device"),
        ("--source labels --to coco --out notes.txt/a.json", 1, "Cannot write notes.txt"),
    ],
)
def test_refused(home: Path, monkeypatch: pytest.MonkeyPatch, options: str, code: int, said: str) -> None:
    (home / "labels").mkdir()
    (home / "prompt.png").rename(home / "labels" / "00000.png")
    (home / "notes.txt").write_text("precious")
    before = contents(home)
    monkeypatch.chdir(home)
    done = CliRunner().invoke(app, ["convert", *options.split()])
    assert code == (1 if isinstance(done.exception, ErmuError) else done.exit_code), done.output
    assert said in (str(done.exception) if code == 1 else done.output)
    assert contents(home) == before


def test_an_object_that_is_not_there_is_told(home: Path) -> None:
    (home / "labels").mkdir()
    (home / "prompt.png").rename(home / "labels" / "00000.png")
    done = ermu(
        "convert", "--source", "labels", "--to", "cvat", "--out", "a.xml", "--category", "9=x", cwd=home
    )
    assert done.returncode == 0 and "no object has the id 9" in done.stderr
