"""Objects present throughout, followed by the trained demo network, while others come and go."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

pytestmark = pytest.mark.serial

Clip = list[tuple[np.ndarray, np.ndarray]]
BYSTANDERS = (1, 2)


@pytest.fixture(scope="module")
def demo() -> tuple[Bundle, Backend]:
    """The demo network, trained on procedural clips, with its graphs open."""
    bundle = Bundle.load("demo")
    return bundle, open_backend(bundle, threads=1)


def only(label: np.ndarray, *ids: int) -> np.ndarray:
    return np.where(np.isin(label, ids), label, 0).astype(np.uint8)


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    union = int((mask | truth).sum())
    return float((mask & truth).sum() / union) if union else 1.0


def mean_overlaps(
    demo: tuple[Bundle, Backend], clip: Clip, act: Callable[[Segmenter, int], None]
) -> np.ndarray:
    """J of each bystander, mean over the clip; `act` comes after each frame."""
    segmenter = Segmenter(demo[0], backend=demo[1], long_edge=240)
    segmenter.start(clip[0][0], only(clip[0][1], *BYSTANDERS))
    overlaps = []
    for t in range(1, len(clip)):
        label = segmenter.step(clip[t][0]).label
        overlaps.append([overlap(label == i, clip[t][1] == i) for i in BYSTANDERS])
        act(segmenter, t)
    return np.mean(overlaps, axis=0)


@pytest.mark.parametrize("seed", [3, 5, 8, 30])
def test_they_keep_their_overlap(demo: tuple[Bundle, Backend], seed: int) -> None:
    config = SceneConfig(
        seed=seed, size_hw=(144, 240), frames=24, objects=4, distractors=0, occluders=0, split="validation"
    )
    clip = list(Scene(config))
    came: list[list[int]] = []

    def come_and_go(segmenter: Segmenter, t: int) -> None:
        if t == 4:
            segmenter.add_objects(only(clip[t][1], 3))
        if t == 8:
            segmenter.add_objects(only(clip[t][1], 4))
            came.append(segmenter.ids)
        if t == 14:
            segmenter.remove_objects([3])

    alone = mean_overlaps(demo, clip, lambda segmenter, t: None)
    company = mean_overlaps(demo, clip, come_and_go)
    assert came == [[1, 2, 3, 4]]
    assert alone.mean() > 0.5  # a network that follows them, or the comparison would say nothing
    assert np.abs(company - alone).max() <= 0.01
