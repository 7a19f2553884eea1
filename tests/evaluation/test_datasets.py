"""Datasets are found by their published layouts, and a wrong folder is explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ermu.errors import DatasetError, OptionError
from ermu.evaluation.datasets import open_dataset
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.runner import Run
from tests.evaluation.layouts import bars, vost, write_frames, write_labels

NAMES = [f"{i:05d}" for i in range(4)]


def test_a_folder_is_read_in_natural_order_without_hidden_files(tmp_path: Path) -> None:
    names = ["frame2", "frame9", "frame10"]
    for sequence in ("clip2", "clip10"):
        write_frames(tmp_path / "JPEGImages" / sequence, names)
        write_labels(tmp_path / "Annotations" / sequence, dict.fromkeys(names, bars((8, 16))))
        (tmp_path / "JPEGImages" / sequence / "._frame2.jpg").write_bytes(b"no picture")
        (tmp_path / "Annotations" / sequence / "._frame2.png").write_bytes(b"no picture")
    (tmp_path / "Annotations" / ".cache").mkdir()
    dataset = open_dataset("folder", tmp_path)
    assert [sequence.name for sequence in dataset.sequences] == ["clip2", "clip10"]
    assert [sequence.frame_names for sequence in dataset.sequences] == [tuple(names)] * 2
    assert [sequence.annotated for sequence in dataset.sequences] == [tuple(names)] * 2


def davis(root: Path, label: np.ndarray) -> Path:
    write_frames(root / "JPEGImages" / "480p" / "bear", NAMES)
    write_labels(root / "Annotations" / "480p" / "bear", dict.fromkeys(NAMES, label))
    return root


def listed(root: Path, where: str, text: str) -> None:
    path = root / "ImageSets" / where / "val.txt"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_davis_2017_at_full_resolution_has_folders_of_its_own(tmp_path: Path) -> None:
    root = davis(tmp_path / "DAVIS", bars((8, 16)))
    listed(root, "2017", "bear\n")
    with pytest.raises(DatasetError, match="Full-Resolution"):
        open_dataset("davis2017-full", root)
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / "480p").rename(root / kind / "Full-Resolution")
    (sequence,) = open_dataset("davis2017-full", root).sequences
    assert sequence.prompt(sequence.annotated[0]) is not None and list(sequence.frames())


def test_davis_2017_adds_f_and_their_mean(tmp_path: Path) -> None:
    root = davis(tmp_path / "DAVIS", bars((8, 16)))
    listed(root, "2017", "bear\n")
    Run(open_dataset("davis2017", root), RunSettings(baseline="hold"), tmp_path / "out").execute()
    header, row = (tmp_path / "out" / "global_results-val.csv").read_text().splitlines()
    assert header == (
        "J-Mean,J-Recall,J-Decay,J_last-Mean,J_last-Recall,J_last-Decay,F-Mean,F-Recall,F-Decay,J&F-Mean"
    )
    assert row.split(",") == ["1.000000", "1.000000", "0.000000"] * 3 + ["1.000000"]
    per_sequence = (tmp_path / "out" / "per-sequence_results-val.csv").read_text().splitlines()
    assert per_sequence[0] == "Sequence,J-Mean,J_last-Mean,F-Mean"
    assert per_sequence[1] == "bear_1,1.000000,1.000000,1.000000"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("2016", "bear\n"),
        ("480p", "".join(f"/JPEGImages/480p/bear/{n}.jpg /Annotations/480p/bear/{n}.png\n" for n in NAMES)),
    ],
)
def test_davis_2016_is_one_object_whichever_list_there_is(tmp_path: Path, where: str, text: str) -> None:
    label = np.where(bars((8, 16)) > 0, 255, 0).astype(np.uint8)
    root = davis(tmp_path / "DAVIS", label)
    listed(root, where, text)
    dataset = open_dataset("davis2016", root)
    assert [sequence.name for sequence in dataset.sequences] == ["bear"]
    np.testing.assert_array_equal(dataset.sequences[0].annotation("00000"), label // 255)
    report = Run(dataset, RunSettings(baseline="hold"), tmp_path / "out").execute()
    assert report.scores[0].objects == 1 and report.figures["J&F-Mean"] == 1.0


def test_a_plain_folder_needs_no_list(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_frames(tmp_path / "JPEGImages" / name, NAMES)
        write_labels(tmp_path / "Annotations" / name, dict.fromkeys(NAMES, bars((8, 16))))
    assert [s.name for s in open_dataset("folder", tmp_path).sequences] == ["a", "b"]
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_text("b\n")
    assert [s.name for s in open_dataset("folder", tmp_path).sequences] == ["b"]


def test_a_sequence_runs_from_its_first_annotation(tmp_path: Path) -> None:
    write_frames(tmp_path / "JPEGImages" / "late", [*NAMES, "00004"])
    write_labels(tmp_path / "Annotations" / "late", dict.fromkeys(NAMES[1:], bars((8, 16))))
    (sequence,) = open_dataset("folder", tmp_path).sequences
    assert sequence.frame_names == ("00001", "00002", "00003", "00004")
    first = next(sequence.frames())
    assert (first.index, first.name) == (0, "00001")
    assert sequence.scored == ("00002",)


def test_too_few_annotations_and_annotations_without_a_frame_are_explained(tmp_path: Path) -> None:
    write_frames(tmp_path / "JPEGImages" / "short", NAMES)
    write_labels(tmp_path / "Annotations" / "short", dict.fromkeys(NAMES[:2], bars((8, 16))))
    write_frames(tmp_path / "JPEGImages" / "lost", NAMES)
    write_labels(tmp_path / "Annotations" / "lost", dict.fromkeys([*NAMES, "00099"], bars((8, 16))))
    lost, short = open_dataset("folder", tmp_path).sequences
    assert short.scored == () and "2 annotated frames" in short.unscored
    with pytest.raises(DatasetError, match="without a frame: 00099"):
        _ = lost.frame_names


def test_scenes_need_no_folder_and_every_frame_is_annotated() -> None:
    dataset = open_dataset("scenes")
    assert len(dataset.sequences) == 40 and not dataset.boundary
    sequence = dataset.sequences[0]
    assert sequence.annotated == sequence.frame_names == tuple(f"{t:05d}" for t in range(60))
    frame = next(iter(sequence.frames()))
    assert frame.image.shape[:2] == sequence.annotation(frame.name).shape == (240, 416)
    assert len(open_dataset("scenes", split="policy").sequences) == 12


def test_wrong_names_and_folders_are_explained(tmp_path: Path) -> None:
    root = vost(tmp_path / "VOST")
    with pytest.raises(OptionError, match="Unknown dataset 'coco'"):
        open_dataset("coco", root)
    with pytest.raises(DatasetError, match="--root"):
        open_dataset("vost")
    with pytest.raises(DatasetError, match=r"no list of sequences .*test\.txt"):
        open_dataset("vost", root, "test")
    with pytest.raises(DatasetError, match="no split 'test'"):
        open_dataset("scenes", split="test")
    with pytest.raises(DatasetError, match="480p"):
        listed(root, "2017", "walk\n")
        open_dataset("davis2017", root)
    with pytest.raises(DatasetError, match="no sequence swim"):
        open_dataset("vost", root).only(["swim", "walk"])
