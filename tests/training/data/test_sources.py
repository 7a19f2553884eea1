"""Videos in VOST's and DAVIS's layouts, written by the test, and scenes: same index, same clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ermu.errors import DatasetError
from ermu.training.config import DataConfig, PhaseConfig, TrainingConfig
from ermu.training.data.sources import FolderSource, SceneSource, open_source
from ermu.training.data.stream import batches

PHASE = PhaseConfig(frames=3, size=49, max_gap=1, scene_frames=4)


def _video(images: Path, annotations: Path, frames: int, annotated_every: int) -> None:
    """Frames whose red value is 10 t; an object at the left whose id pixels have green 200."""
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for t in range(frames):
        picture = np.zeros((80, 96, 3), np.uint8)
        picture[:, :, 0] = 10 * t
        picture[:, :48, 1] = 200
        Image.fromarray(picture).save(images / f"{t:05d}.jpg", quality=100, subsampling=0)
        if t % annotated_every == 0:
            label = np.zeros((80, 96), np.uint8)
            label[:, :48] = 1
            label[:4] = 255
            annotation = Image.new("P", (96, 80))
            annotation.putdata(label.ravel().tolist())
            annotation.save(annotations / f"{t:05d}.png")


@pytest.mark.parametrize(
    ("kind", "images", "annotations", "split"),
    [
        ("vost", "JPEGImages_10fps", "Annotations", "ImageSets/train.txt"),
        ("davis", "JPEGImages/480p", "Annotations/480p", "ImageSets/2017/train.txt"),
    ],
)
def test_folders_give_clips_of_annotated_frames(
    tmp_path: Path, kind: Any, images: str, annotations: str, split: str
) -> None:
    _video(tmp_path / images / "one", tmp_path / annotations / "one", frames=9, annotated_every=2)
    (tmp_path / split).parent.mkdir(parents=True)
    (tmp_path / split).write_text("one\n", encoding="utf-8")
    source = open_source(DataConfig(kind=kind, root=tmp_path, workers=0), seed=5)
    assert isinstance(source, FolderSource) and len(source) == 1
    for index in range(8):
        clip = source.clip(index, PHASE)
        red = np.median(clip.frames[:, 0].reshape(3, -1), axis=1)
        shown = np.round(red / 10).astype(int)
        assert np.abs(red - 10 * shown).max() <= 4
        assert set(shown) <= {0, 2, 4, 6, 8}
        assert set(np.abs(np.diff(shown))) == {2}
        objects = (clip.labels > 0) & (clip.labels != 255)
        inside = clip.frames[:, 1][objects]
        assert inside.size == 0 or (inside >= 80).mean() > 0.95
        again = source.clip(index, PHASE)
        assert (again.frames == clip.frames).all() and (again.labels == clip.labels).all()


def test_wrong_layouts_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.txt does not exist"):
        open_source(DataConfig(kind="vost", root=tmp_path), seed=0)
    _video(tmp_path / "i" / "one", tmp_path / "a" / "one", frames=4, annotated_every=1)
    (tmp_path / "i" / "one" / "00002.jpg").unlink()
    with pytest.raises(DatasetError, match=r"00002\.jpg is missing"):
        FolderSource(tmp_path / "i", tmp_path / "a", ["one"], seed=0)
    with pytest.raises(DatasetError, match="0 annotations"):
        FolderSource(tmp_path / "i", tmp_path / "a", ["two"], seed=0)


def test_scene_clips_depend_on_the_index_alone(tiny: dict[str, Any]) -> None:
    """A source that has served other clips gives the same clip as a fresh one."""
    data = DataConfig(**tiny["data"])
    used = SceneSource(data, seed=3, spread=2)
    clips = [used.clip(i, PHASE) for i in range(8)]
    for index in (7, 4, 0):
        fresh = SceneSource(data, seed=3, spread=2).clip(index, PHASE)
        assert (fresh.frames == clips[index].frames).all()
        assert (fresh.labels == clips[index].labels).all()
    assert any((clips[0].frames != clip.frames).any() for clip in clips[1:])


def test_stream_goes_on_where_it_is_asked_to(tiny: dict[str, Any]) -> None:
    config = TrainingConfig(**tiny)
    whole = list(batches(config, 0))
    assert len(whole) == 8
    assert [tuple(batch.frames.shape) for batch in whole[3:5]] == [(3, 2, 3, 65, 65), (4, 1, 3, 49, 49)]
    for later, batch in zip(batches(config, 3), whole[3:], strict=True):
        assert (later.frames == batch.frames).all() and (later.labels == batch.labels).all()


def test_processes_see_different_clips(tiny: dict[str, Any]) -> None:
    config = TrainingConfig(**tiny)
    first, second = (next(batches(config, 1, rank, 2)) for rank in (0, 1))
    assert (first.frames != second.frames).any()
