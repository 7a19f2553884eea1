"""Videos in VOST's, DAVIS's and YouTube-VOS's layouts, written by the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.errors import DatasetError
from ermu.training.config import PhaseConfig
from ermu.training.data.config import DataConfig, VideoSourceConfig
from ermu.training.data.sources.mixture import open_sources
from ermu.training.data.sources.videos import open_videos
from tests.training.data.sources.layouts import LAYOUTS, write_dataset, write_label, write_video

PHASE = PhaseConfig(frames=3, size=49, max_gap=1, scene_frames=4)


def _shown(frames: np.ndarray) -> np.ndarray:
    """The numbers of the video's frames, by their red value."""
    red = np.median(frames[..., 0].reshape(len(frames), -1), axis=1)
    assert np.abs(red - 10 * np.round(red / 10)).max() <= 4
    return np.round(red / 10).astype(int)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_folders_give_clips_of_annotated_frames(tmp_path: Path, kind: Any) -> None:
    write_dataset(tmp_path, kind, {"one": 9}, annotated_every=2)
    config = VideoSourceConfig(kind=kind, root=tmp_path)
    assert open_videos(config).size == 1
    source = open_sources(DataConfig(sources=(config,)), seed=5)
    for index in range(8):
        clip = source.clip(index, PHASE)
        shown = _shown(clip.frames.transpose(0, 2, 3, 1))
        assert set(shown) <= {0, 2, 4, 6, 8}
        assert set(np.abs(np.diff(shown))) == {2}
        objects = (clip.labels > 0) & (clip.labels != 255)
        inside = clip.frames[:, 1][objects]
        assert inside.size == 0 or (inside >= 80).mean() > 0.95
        again = source.clip(index, PHASE)
        assert (again.frames == clip.frames).all() and (again.labels == clip.labels).all()


def test_a_sources_own_gap_goes_before_the_phases(tmp_path: Path) -> None:
    write_dataset(tmp_path, "davis", {"one": 20})
    config = VideoSourceConfig(kind="davis", root=tmp_path, max_gap=6)
    rng, source = np.random.default_rng(0), open_videos(config)
    steps = [abs(int(d)) for _ in range(40) for d in np.diff(_shown(source.sample(rng, 0, PHASE).frames))]
    assert max(steps) == 6 and {1, 2, 3, 4, 5} < set(steps)


def test_frames_may_lie_in_another_folder(tmp_path: Path) -> None:
    """VOST at 5 frames a second."""
    write_dataset(tmp_path, "vost", {"one": 4})
    (tmp_path / "JPEGImages_10fps").rename(tmp_path / "JPEGImages")
    with pytest.raises(DatasetError, match=r"JPEGImages_10fps/one/00000\.jpg is missing"):
        open_videos(VideoSourceConfig(kind="vost", root=tmp_path))
    assert open_videos(VideoSourceConfig(kind="vost", root=tmp_path, images="JPEGImages")).size == 1


def test_the_ignore_threshold_keeps_clips_from_blurred_frames(tmp_path: Path) -> None:
    """Three of nine frames are mostly ignored; no clip of one frame less than the video begins at them."""
    write_dataset(tmp_path, "vost", {"one": 9})
    blurred = np.full((80, 96), 255, np.uint8)
    blurred[:20] = 1
    for t in (1, 4, 7):
        write_label(tmp_path / "Annotations" / "one" / f"{t:05d}.png", blurred)
    config = VideoSourceConfig(kind="vost", root=tmp_path, ignore_threshold=0.2)
    rng, source = np.random.default_rng(0), open_videos(config)
    first = [int(_shown(source.sample(rng, 0, PHASE).frames)[0]) for _ in range(60)]
    assert set(first) == {0, 2, 3, 5, 6, 8}


def test_youtube_sequences_have_frames_of_objects_seen_twice(tmp_path: Path) -> None:
    write_dataset(tmp_path, "youtube", {"long": 5, "short": 5, "none": 5})
    meta = {
        "long": {"objects": {"1": {"frames": ["00000", "00002"]}, "2": {"frames": ["00004"]}}},
        "short": {"objects": {"1": {"frames": ["00001"]}, "2": {"frames": ["00003"]}}},
        "none": {"objects": {}},
    }
    (tmp_path / "meta.json").write_text(json.dumps({"videos": meta}), encoding="utf-8")
    source = open_videos(VideoSourceConfig(kind="youtube", root=tmp_path))
    assert source.size == 1
    rng = np.random.default_rng(0)
    assert {int(i) for _ in range(10) for i in _shown(source.sample(rng, 0, PHASE).frames)} == {0, 2}
    (tmp_path / "meta.json").write_text('{"videos": [1]}', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"meta\.json cannot be read"):
        open_videos(VideoSourceConfig(kind="youtube", root=tmp_path))


def test_wrong_layouts_are_told(tmp_path: Path) -> None:
    config = VideoSourceConfig(kind="vost", root=tmp_path)
    with pytest.raises(DatasetError, match=r"train\.txt does not exist"):
        open_videos(config)
    write_dataset(tmp_path, "vost", {"one": 4})
    (tmp_path / "JPEGImages_10fps" / "one" / "00002.jpg").unlink()
    with pytest.raises(DatasetError, match=r"00002\.jpg is missing"):
        open_videos(config)
    (tmp_path / "ImageSets" / "train.txt").write_text("two", encoding="utf-8")
    with pytest.raises(DatasetError, match="0 annotations"):
        open_videos(config)
    (tmp_path / "ImageSets" / "train.txt").write_text("", encoding="utf-8")
    with pytest.raises(DatasetError, match="names no sequence"):
        open_videos(config)


def test_hidden_files_are_no_annotations(tmp_path: Path) -> None:
    write_dataset(tmp_path, "vost", {"one": 3})
    write_video(tmp_path / "x", tmp_path / "y", 1)
    (tmp_path / "Annotations" / "one" / "._00000.png").write_bytes(b"a system's")
    source = open_videos(VideoSourceConfig(kind="vost", root=tmp_path))
    assert source.sample(np.random.default_rng(0), 0, PHASE).labels.shape == (3, 49, 49)
