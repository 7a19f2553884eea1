"""Sources as one: how often each is seen, and what is merged; counted by colour and by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ermu.errors import DatasetError
from ermu.training.config import PhaseConfig
from ermu.training.data.config import DataConfig
from ermu.training.data.sample import Sample
from ermu.training.data.sources.mixture import Mixture, open_sources
from tests.training.data.sources.layouts import write_dataset, write_pictures

PHASE = PhaseConfig(frames=2, size=49, max_gap=1)


class _Named:
    """A source of clips that show its number in red and the item in green, and one object, or none."""

    def __init__(self, number: int, size: int | None, *, empty: bool = False) -> None:
        self.number, self.size, self.empty = number, size, empty

    def sample(self, rng: np.random.Generator, item: int, phase: PhaseConfig) -> Sample:
        frames, labels = np.zeros((2, 49, 49, 3), np.uint8), np.zeros((2, 49, 49), np.uint8)
        frames[:] = (self.number, item % 256, 0)
        labels[:, :20] = 0 if self.empty else 1
        return Sample(frames, labels)

    def another(self, rng: np.random.Generator, item: int) -> int:
        return 100 + item


def _seen(mixture: Mixture, clips: range, phase: PhaseConfig = PHASE) -> Counter[tuple[int, int]]:
    return Counter(
        (int(f[0, 0, -1, -1]), int(f[0, 1, -1, -1])) for f in (mixture.clip(i, phase).frames for i in clips)
    )


def test_every_item_is_seen_once_a_round_and_as_often_as_its_source_is_repeated() -> None:
    """YouTube-VOS x1 and DAVIS x5, in small: rounds of 7 + 3 x 5 clips."""
    mixture = Mixture([(_Named(1, 7), 1, None), (_Named(2, 3), 5, None)], seed=4)
    expected = {**{(1, i): 1 for i in range(7)}, **{(2, i): 5 for i in range(3)}}
    for number in range(3):
        assert _seen(mixture, range(22 * number, 22 * number + 22)) == expected
    orders = [
        [tuple(mixture.clip(i, PHASE).frames[0, :2, -1, -1]) for i in range(k, k + 22)] for k in (0, 22)
    ]
    assert orders[0] != orders[1]
    later = Mixture([(_Named(1, 7), 1, None), (_Named(2, 3), 5, None)], seed=4)
    assert [tuple(later.clip(i, PHASE).frames[0, :2, -1, -1]) for i in range(22, 44)] == orders[1]


def test_weights_are_the_shares_of_the_clips() -> None:
    mixture = Mixture([(_Named(1, 1000), 1, 3.0), (_Named(2, 2), 1, 1.0)], seed=0)
    seen = _seen(mixture, range(2000))
    ones = sum(count for (number, _), count in seen.items() if number == 1)
    assert ones / 2000 == pytest.approx(0.75, abs=0.03)
    assert seen[2, 0] / seen[2, 1] == pytest.approx(1, abs=0.3)


def test_merging_happens_as_often_as_asked_and_with_another_item() -> None:
    phase = PhaseConfig(frames=2, size=49, merge=0.3)
    mixture = Mixture([(_Named(1, 50), 1, None)], seed=0)
    merged = sum(int(mixture.clip(i, phase).frames[0, 1, 0, 0]) >= 100 for i in range(1000))
    assert merged / 1000 == pytest.approx(0.3, abs=0.045)
    assert all(int(mixture.clip(i, PHASE).frames[0, 1, 0, 0]) < 50 for i in range(50))


def test_clips_without_objects_are_always_merged() -> None:
    phase = PhaseConfig(frames=2, size=49, merge=0.01)
    merges: list[int] = []

    class Empty(_Named):
        def another(self, rng: np.random.Generator, item: int) -> int:
            merges.append(item)
            return 100 + item

    mixture = Mixture([(Empty(1, 50, empty=True), 1, None)], seed=0)
    for index in range(50):
        mixture.clip(index, phase)
    assert len(merges) == 50


def test_folders_and_scenes_mix(tmp_path: Path) -> None:
    """A clip of scenes, videos and pictures each, told apart by their blue."""
    write_dataset(tmp_path / "v", "youtube", {"a": 3, "b": 3}, blue=100)
    write_pictures(tmp_path / "i", tmp_path / "m", 2, blue=200)
    sources: Any = [
        {"kind": "youtube", "root": tmp_path / "v", "weight": 1},
        {"kind": "pictures", "images": tmp_path / "i", "masks": tmp_path / "m", "weight": 1},
        {"kind": "scenes", "size_hw": [64, 64], "textures": "generated", "weight": 1},
    ]
    mixture = open_sources(DataConfig(sources=sources), seed=1)
    phase = PhaseConfig(frames=2, size=33, scene_frames=2)
    blues = [int(np.median(mixture.clip(i, phase).frames[:, 2])) for i in range(10)]
    videos, pictures = (sum(abs(blue - mark) < 5 for blue in blues) for mark in (100, 200))
    assert videos and pictures and videos + pictures < 10


def test_a_single_video_cannot_be_merged(tmp_path: Path) -> None:
    write_dataset(tmp_path, "davis", {"one": 3})
    mixture = open_sources(DataConfig(sources=({"kind": "davis", "root": tmp_path},)), seed=1)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="one video alone"):
        mixture.clip(0, PhaseConfig(frames=2, size=33, merge=1.0))


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([], "at least one"),
        ([{"kind": "scenes", "weight": 1}, {"kind": "davis", "root": "x"}], "every source has a weight"),
        ([{"kind": "scenes"}, {"kind": "davis", "root": "x"}], "scenes have no end"),
        ([{"kind": "davis"}], "root"),
        ([{"kind": "davis", "root": "x", "textures": "mixed"}], "textures"),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(sources: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DataConfig(sources=sources)
