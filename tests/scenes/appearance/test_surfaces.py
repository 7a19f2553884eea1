"""Textures and photographs: the splits share none, and a missing package is said, not worked around."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ermu.errors import DependencyError
from ermu.scenes.appearance.photographs import _PHOTOGRAPHS, photograph, photograph_count
from ermu.scenes.appearance.surfaces import recolour
from ermu.scenes.appearance.textures import GENERATORS, TEXTURE_SIZE, generated_texture
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

PHOTOGRAPHS = SceneConfig(seed=0, size_hw=(64, 64), frames=2, objects=1, textures="photographs")


@pytest.mark.parametrize("index", range(len(GENERATORS)))
def test_every_generator_draws_a_surface_with_detail_and_the_splits_differ(index: int) -> None:
    train, validation = generated_texture("train", index), generated_texture("validation", index)
    for image in (train, validation):
        assert image.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3) and image.dtype == np.uint8
        assert image.std() > 2
    assert np.mean(train != validation) > 0.5
    with pytest.raises(ValueError, match="read-only"):
        train[0, 0] = 0


def test_the_splits_share_no_photograph() -> None:
    assert set(_PHOTOGRAPHS["train"]).isdisjoint(_PHOTOGRAPHS["validation"])


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_photograph_is_shipped(split: str) -> None:
    pytest.importorskip("skimage")
    for index in range(photograph_count(split)):
        image = photograph(split, index)
        assert image.ndim == 3 and max(image.shape) <= 640 and image.std() > 5


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    photograph.cache_clear()
    with pytest.raises(DependencyError, match=r"ermu\[scenes\]"):
        Scene(PHOTOGRAPHS)


def test_photographs_fill_a_scene() -> None:
    pytest.importorskip("skimage")
    frame, label = Scene(PHOTOGRAPHS)[0]
    assert frame.std() > 5 and label.max() == 1


def test_recolouring_with_no_strength_changes_nothing_and_with_some_keeps_the_mean_near() -> None:
    image = generated_texture("train", 0)
    np.testing.assert_allclose(recolour(image, np.random.default_rng(0), 0.0).astype(int), image, atol=1)
    strong = recolour(image, np.random.default_rng(0), 1.0)
    assert np.mean(strong != image) > 0.5
    assert abs(float(strong.mean()) - float(image.mean())) < 60
