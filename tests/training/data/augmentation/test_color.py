"""Changes of colour against Python's own colour conversions and cases by hand."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest

from ermu.training.data.augmentation.color import Distortion, Jitter, grey


class _Dealt(np.random.Generator):
    """A generator that returns the numbers it was dealt, in order; permutations stay in order."""

    def __init__(self, numbers: list[float]) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers, self.bounds = list(numbers), list[tuple[float, float]]()

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        self.bounds.append((float(low), float(high)))
        return self.numbers.pop(0)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        return np.arange(x)


def _pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)


def test_brightness_contrast_and_saturation_by_hand() -> None:
    picture = np.array([[[100, 50, 200], [0, 0, 0]]], np.uint8)
    jitter = Jitter(0.4, 0.4, 0.2, 0.1)
    rng = _Dealt([1.5, 1, 1, 0])
    assert jitter.applied(rng, picture)[0, 0].tolist() == [150, 75, 255]  # 300 is cut
    assert rng.bounds == [pytest.approx(b) for b in ((0.6, 1.4), (0.6, 1.4), (0.8, 1.2), (-0.1, 0.1))]
    # Grey of the first pixel: 29.9 + 29.35 + 22.8 = 82.05, of the other 0; their mean is 41.025.
    contrast = jitter.applied(_Dealt([1, 0.5, 1, 0]), picture)
    assert contrast[0, 0].tolist() == [71, 46, 121] and contrast[0, 1].tolist() == [21, 21, 21]
    assert jitter.applied(_Dealt([1, 1, 0, 0]), picture)[0, 0].tolist() == [82, 82, 82]
    assert jitter.applied(_Dealt([1, 1, 1, 0]), picture).tolist() == picture.tolist()


@pytest.mark.parametrize("turn", [-0.1, 0.03, 1 / 3])
def test_hue_against_colorsys(turn: float) -> None:
    picture = _pictures()
    turned = Jitter(0, 0, 0, 0.1).applied(_Dealt([1, 1, 1, turn]), picture)
    for before, after in zip(picture.reshape(-1, 3), turned.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        expected = np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255
        assert np.abs(after - expected).max() <= 1


def test_grey_is_luma_in_three_channels() -> None:
    assert grey(np.array([[[100, 50, 200]]], np.uint8)).tolist() == [[[82, 82, 82]]]


def test_each_distortion_has_its_own_chance() -> None:
    picture = _pictures()
    jitter = Jitter(0.4, 0.4, 0.2, 0.1)

    rng = np.random.default_rng(5)

    def share(*chances: float) -> float:
        distortion = Distortion(jitter, *chances, (0.5, 2.0))
        return float(np.mean([(distortion.applied(rng, picture) != picture).any() for _ in range(1000)]))

    assert share(0, 0, 0) == 0
    assert share(0.8, 0, 0) == pytest.approx(0.8, abs=0.05)
    assert share(0, 0.2, 0) == pytest.approx(0.2, abs=0.05)
    assert share(0, 0, 0.3) == pytest.approx(0.3, abs=0.05)
    assert share(0.5, 0.5, 0) == pytest.approx(0.75, abs=0.05)
