"""Public datasets as they are published, each made small: what is found, run, scored by hand and left out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import DatasetError
from ermu.evaluation.datasets import Dataset, open_dataset
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.runner import Run, score_only
from ermu.evaluation.scores import Report
from ermu.registries import DATASETS
from ermu.runtime.images.labels import read_label_map
from tests.evaluation.layouts import HW, bars, write_frames, write_labels

NAMES = [f"{i:05d}" for i in range(6)]
ALONE, BOTH = bars((8, 0)), bars((8, 16))


def held(dataset: Dataset, out: Path) -> Report:
    """A run of the baseline that repeats its prompts."""
    return Run(dataset, RunSettings(baseline="hold"), out).execute()


def mask(label: np.ndarray, object_id: int) -> np.ndarray:
    return (label == object_id).astype(np.uint8)


def test_davis_test_dev_is_run_and_says_that_nothing_is_scored(tmp_path: Path) -> None:
    root = tmp_path / "DAVIS"
    write_frames(root / "JPEGImages" / "480p" / "aerobatics", NAMES)
    write_labels(root / "Annotations" / "480p" / "aerobatics", {NAMES[0]: BOTH})
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "test-dev.txt").write_text("aerobatics\n")
    dataset = open_dataset("davis2017", root, "test-dev")
    report = held(dataset, tmp_path / "out")
    assert sorted(path.stem for path in (tmp_path / "out" / "aerobatics").iterdir()) == NAMES
    assert report.figures == {} and not report.failures
    assert report.remarks == ["aerobatics is not scored: nothing but its prompts is annotated"]
    with pytest.raises(DatasetError, match="nothing to score: aerobatics"):
        score_only(dataset, tmp_path / "out", tmp_path / "tables")


def youtubevos(root: Path, labels: dict[str, np.ndarray], *, split: str = "valid") -> Path:
    """Object 1 from frame 0, object 2 from frame 2 on; every second frame of the video is of the dataset."""
    write_frames(root / split / "JPEGImages" / "0a1b", NAMES)
    write_labels(root / split / "Annotations" / "0a1b", labels)
    objects = {
        "1": {"category": "cat", "frames": NAMES[0:5]},
        "2": {"category": "dog", "frames": NAMES[2:5]},
    }
    (root / split / "meta.json").write_text(json.dumps({"videos": {"0a1b": {"objects": objects}}}))
    return root


def test_youtubevos_adds_objects_where_they_first_appear(tmp_path: Path) -> None:
    """The second annotation holds the new object alone, as in the public validation split."""
    root = youtubevos(tmp_path / "YTVOS", {NAMES[0]: ALONE, NAMES[2]: bars((0, 16))})
    report = held(open_dataset("youtubevos", root), tmp_path / "out")
    results = [read_label_map(tmp_path / "out" / "0a1b" / f"{name}.png") for name in NAMES]
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result, ALONE if i < 2 else BOTH)
    assert report.figures == {} and report.scores[0].ids == (1, 2)


def test_objects_that_appear_later_are_scored_from_there(tmp_path: Path) -> None:
    """A split with every frame annotated. J of object 1, 8 columns held: 8 / 16 at frame 4, 1 else; of object
    2, 16 columns held from frame 2 on: 16 / 20 at frame 3, 16 / 32 at frame 4."""
    truth = [ALONE, ALONE, BOTH, bars((8, 20)), bars((16, 32)), BOTH]
    root = youtubevos(tmp_path / "YTVOS", dict(zip(NAMES, truth, strict=True)), split="train")
    report = held(open_dataset("youtubevos", root, "train"), tmp_path / "out")
    (scores,) = report.scores
    assert scores.j == ((1.0, 1.0, 1.0, 0.5), (0.8, 0.5))
    assert report.figures["J-Mean"] == pytest.approx((0.875 + 0.65) / 2)
    lines = (tmp_path / "out" / "per-sequence_results-train.csv").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in lines[1:]] == [
        "0a1b_1,0.875000,0.500000",
        "0a1b_2,0.650000,0.500000",
    ]
    again = score_only(open_dataset("youtubevos", root, "train"), tmp_path / "out", tmp_path / "tables")
    assert again.scores[0].j == scores.j


def test_all_frames_of_youtubevos_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    root = youtubevos(tmp_path / "YTVOS", {NAMES[0]: ALONE})
    dense = [f"{i:05d}" for i in range(9)]
    write_frames(root / "valid_all_frames" / "JPEGImages" / "0a1b", dense)
    (sequence,) = open_dataset("youtubevos", root, "valid_all_frames").sequences
    assert sequence.frame_names == tuple(dense) and sequence.submitted == tuple(NAMES[:5])


def test_a_bundle_follows_an_object_that_appears_later(tmp_path: Path, tiny_bundle: Path) -> None:
    root = youtubevos(tmp_path / "YTVOS", {NAMES[0]: ALONE, NAMES[2]: bars((0, 16))})
    settings = RunSettings(bundle=str(tiny_bundle), threads=1)
    report = Run(open_dataset("youtubevos", root), settings, tmp_path / "out").execute()
    results = [read_label_map(tmp_path / "out" / "0a1b" / f"{name}.png") for name in NAMES]
    assert not report.failures and [2 in result for result in results[:3]] == [False, False, True]
    np.testing.assert_array_equal(results[2] == 2, BOTH == 2)


def test_lvos_takes_its_sequences_from_the_meta_file(tmp_path: Path) -> None:
    names = [f"{i:08d}" for i in range(1, 26, 5)]
    place = tmp_path / "LVOS" / "val"
    for video in ("kept", "other"):
        write_frames(place / "JPEGImages" / video, names)
        write_labels(place / "Annotations" / video, dict.fromkeys(names, BOTH))
    dataset = open_dataset("lvos", tmp_path / "LVOS")
    assert [sequence.name for sequence in dataset.sequences] == ["kept", "other"]
    content = {"videos": {"kept": {"objects": {"1": {"frame_range": {"start": "1"}}}}}}
    (place / "val_meta.json").write_text(json.dumps(content))
    dataset = open_dataset("lvos", tmp_path / "LVOS")
    assert [sequence.name for sequence in dataset.sequences] == ["kept"]
    assert held(dataset, tmp_path / "out").figures["J&F-Mean"] == 1.0


def test_mose_has_no_lists(tmp_path: Path) -> None:
    for name in ("10", "2", ".ipynb_checkpoints", "__MACOSX"):
        write_frames(tmp_path / "valid" / "JPEGImages" / name, NAMES)
        write_labels(tmp_path / "valid" / "Annotations" / name, {NAMES[0]: ALONE})
    dataset = open_dataset("mose", tmp_path)
    assert [sequence.name for sequence in dataset.sequences] == ["2", "10"]
    assert open_dataset("mose", tmp_path / "valid").sequences[1].frame_names == tuple(NAMES)
    assert len(held(dataset, tmp_path / "out").remarks) == 2


def sav(root: Path) -> Path:
    """Six frames of which every second is annotated; object 001 lies within 000, and appears at frame 2."""
    place = root / "sav_val"
    write_frames(place / "JPEGImages_24fps" / "sav_7", [f"{i:05d}" for i in range(7)])
    whole, part = mask(bars((20, 0)), 1), mask(bars((5, 0)), 1)
    for folder, masks in (("000", [whole] * 4), ("001", [part * 0, part, part, part])):
        labels = {f"{2 * i:05d}": label for i, label in enumerate(masks)}
        write_labels(place / "Annotations_6fps" / "sav_7" / folder, labels)
    (place / "sav_val.txt").write_text("sav_7\n")
    return root


def test_objects_of_sav_may_overlap_and_are_scored_each_by_its_mask(tmp_path: Path) -> None:
    """The smaller object lies on top in the prompt: from frame 2 on, object 1 is held as 15 columns of 20."""
    report = held(open_dataset("sav", sav(tmp_path)), tmp_path / "out")
    (scores,) = report.scores
    assert scores.frames == ("00002", "00004")
    assert scores.j == ((0.75, 0.75), (1.0,))
    result = read_label_map(tmp_path / "out" / "sav_7" / "00003.png")
    np.testing.assert_array_equal(result[0], [2] * 5 + [1] * 15 + [0] * (HW[1] - 20))


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (0, 1, 2)])
def test_results_for_davis_2016_count_whatever_number_they_have(
    tmp_path: Path, values: tuple[int, ...]
) -> None:
    root = tmp_path / "DAVIS"
    write_frames(root / "JPEGImages" / "480p" / "bear", NAMES)
    write_labels(root / "Annotations" / "480p" / "bear", dict.fromkeys(NAMES, (BOTH > 0) * np.uint8(255)))
    (root / "ImageSets" / "480p").mkdir(parents=True)
    (root / "ImageSets" / "480p" / "val.txt").write_text("bear\n")
    result = np.array([0, values[1], values[-1]], np.uint8)[BOTH]
    write_labels(tmp_path / "results" / "bear", dict.fromkeys(NAMES, result))
    report = score_only(open_dataset("davis2016", root), tmp_path / "results", tmp_path / "tables")
    assert report.figures["J-Mean"] == report.figures["F-Mean"] == 1.0


def test_a_measure_that_leaves_objects_out_says_so(tmp_path: Path) -> None:
    """DAVIS and VOST count the objects of the first annotation alone."""
    root = tmp_path / "DAVIS"
    write_frames(root / "JPEGImages" / "480p" / "bear", NAMES)
    labels = {name: ALONE if i < 2 else BOTH for i, name in enumerate(NAMES)}
    write_labels(root / "Annotations" / "480p" / "bear", labels)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("bear\n")
    report = held(open_dataset("davis2017", root), tmp_path / "out")
    assert report.scores[0].ids == (1,) and report.figures["J-Mean"] == 1.0
    (remark,) = report.remarks
    assert "bear: the measure leaves out object 2" in remark


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfb\r\na\r\nb\r\n\r\n", "b\r\na\r\nb".encode("utf-16"), b"b \n\na\nb\n"],
)
def test_lists_are_read_whatever_editor_wrote_them(tmp_path: Path, content: bytes) -> None:
    for name in ("a", "b"):
        write_frames(tmp_path / "JPEGImages" / name, NAMES)
        write_labels(tmp_path / "Annotations" / name, dict.fromkeys(NAMES, BOTH))
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_bytes(content)
    report = held(open_dataset("folder", tmp_path), tmp_path / "out")
    assert [scores.sequence for scores in report.scores] == ["b", "a"]


def test_folders_of_masks_of_0_and_255_hold_one_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """255 beside an id is to be ignored; alone in all annotations, it is what was drawn."""
    masks = [mask(ALONE, 1) * np.uint8(255)] * 3 + [ALONE * 0] + [mask(ALONE, 1) * np.uint8(255)]
    for name, first in (("alone", masks[0]), ("beside", masks[0] + mask(BOTH, 2) * np.uint8(1))):
        write_frames(tmp_path / "JPEGImages" / name, NAMES[:5])
        labels = dict(zip(NAMES, [first, *masks[1:]], strict=False))
        write_labels(tmp_path / "Annotations" / name, labels)
    report = held(open_dataset("folder", tmp_path), tmp_path / "out")
    alone, beside = report.scores
    assert alone.ids == (1,) and alone.j == ((1.0, 1.0, 0.0),)
    assert beside.ids == (1,) and beside.j == ((0.0, 0.0, 0.0),)
    assert [record.getMessage().split()[2] for record in caplog.records] == ["alone"]


def test_frames_of_one_name_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "JPEGImages" / "walk", NAMES)
    write_labels(tmp_path / "Annotations" / "walk", dict.fromkeys(NAMES, BOTH))
    (tmp_path / "JPEGImages" / "walk" / f"{NAMES[1]}.JPEG").write_bytes(b"")
    with pytest.raises(DatasetError, match=f"several frames called '{NAMES[1]}'"):
        held(open_dataset("folder", tmp_path), tmp_path / "out")


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for folder in ("JPEGImages", "Annotations", "ImageSets"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_bytes(b"\x93\xe9")
    with pytest.raises(DatasetError, match="UTF-8"):
        open_dataset("folder", tmp_path)


@pytest.mark.parametrize("lost", ["JPEGImages", "Annotations"])
def test_a_sequence_without_its_folder_is_named(tmp_path: Path, lost: str) -> None:
    for name in ("walk", "stay"):
        write_frames(tmp_path / "JPEGImages" / name, NAMES)
        write_labels(tmp_path / "Annotations" / name, dict.fromkeys(NAMES, BOTH))
    (tmp_path / lost / "walk").rename(tmp_path / lost / "Walk2")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_text("walk\nstay\n")
    report = held(open_dataset("folder", tmp_path), tmp_path / "out")
    assert [scores.sequence for scores in report.scores] == ["stay"]
    assert f"no folder {tmp_path / lost / 'walk'}" in report.failures["walk"]
    assert "there is Walk2" in report.failures["walk"]


def test_sequences_are_in_natural_order_without_what_lies_about(tmp_path: Path) -> None:
    for name in ("0", "1", "2", "10", "11", ".ipynb_checkpoints"):
        write_frames(tmp_path / "JPEGImages" / name, NAMES)
        write_labels(tmp_path / "Annotations" / name, dict.fromkeys(NAMES, BOTH))
    dataset = open_dataset("folder", tmp_path)
    assert [sequence.name for sequence in dataset.sequences] == ["0", "1", "2", "10", "11"]


def folders(root: Path, *names: str) -> Path:
    """A dataset of one's own."""
    for name in names:
        write_frames(root / "JPEGImages" / name, NAMES)
        write_labels(root / "Annotations" / name, dict.fromkeys(NAMES, BOTH))
    (root / "ImageSets").mkdir()
    return root


@pytest.mark.parametrize("name", ["../Annotations/walk", "..", "/tmp/walk", "a/walk"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    root = folders(tmp_path, "walk")
    (root / "ImageSets" / "val.txt").write_text(f"walk\n{name}\n")
    with pytest.raises(DatasetError, match="cannot be the name of a sequence"):
        open_dataset("folder", root)


def test_a_folder_in_a_list_may_end_in_a_slash(tmp_path: Path) -> None:
    root = folders(tmp_path, "walk")
    (root / "ImageSets" / "val.txt").write_text("walk/\nwalk\n")
    assert [sequence.name for sequence in open_dataset("folder", root).sequences] == ["walk"]


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    root = folders(tmp_path, "walk")
    (root / "ImageSets" / "val.txt").write_text("walk\n")
    with pytest.raises(DatasetError, match=r"There is no list of sequences .*vla\.txt"):
        open_dataset("folder", root, "vla")


def test_frames_without_annotations_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = folders(tmp_path, "walk")
    write_frames(root / "JPEGImages" / "stay", NAMES)
    assert [sequence.name for sequence in open_dataset("folder", root).sequences] == ["walk"]
    assert "1 folders in" in caplog.text and "are left out: stay" in caplog.text


def test_a_damaged_frame_breaks_its_sequence(tmp_path: Path) -> None:
    root = folders(tmp_path, "walk", "stay")
    frame = root / "JPEGImages" / "walk" / f"{NAMES[2]}.jpg"
    frame.write_bytes(frame.read_bytes()[: frame.stat().st_size // 2])
    report = held(open_dataset("folder", root), tmp_path / "out")
    assert [scores.sequence for scores in report.scores] == ["stay"]
    assert f"{NAMES[2]}.jpg is damaged: it ends in the middle" in report.failures["walk"]


def test_names_that_are_no_text_are_scored(tmp_path: Path) -> None:
    root, name = folders(tmp_path, "walk"), os.fsdecode(b"s\xe9")
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / "walk").rename(root / kind / name)
    report = held(open_dataset("folder", root), tmp_path / "out")
    assert [scores.sequence for scores in report.scores] == [name]
    table = (tmp_path / "out" / "per-sequence_results-val.csv").read_bytes()
    assert b"\ns\xe9_1," in table


def test_a_damaged_meta_file_is_named(tmp_path: Path) -> None:
    root = youtubevos(tmp_path, {NAMES[0]: ALONE})
    (root / "valid" / "meta.json").write_text('{"videos": []}')
    with pytest.raises(DatasetError, match=r"meta\.json is damaged"):
        open_dataset("youtubevos", root)
    (root / "valid" / "meta.json").unlink()
    with pytest.raises(DatasetError, match=r"There is no .*meta\.json"):
        open_dataset("youtubevos", root)


def test_every_dataset_says_what_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    for name, layout in DATASETS.items():
        assert layout.help and f"| `{name}` |" in page
