"""The colours in which objects are shown: bright enough for dark pictures, apart from each other."""

from __future__ import annotations

import colorsys

import numpy as np

from ermu.runtime.images.overlay import draw_overlay
from ermu.runtime.images.view_colours import VIEW_COLOURS


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance (W3C, Web Content Accessibility Guidelines 2.2)."""
    channels = rgb / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_they_are_readable_on_dark_and_below_dark_text() -> None:
    ground = luminance(np.array([0x10, 0x13, 0x17]))  # of the page
    contrast = (luminance(VIEW_COLOURS[1:255]) + 0.05) / (ground + 0.05)
    assert contrast.min() > 4.5  # the guidelines' level AA for text


def test_neighbouring_ids_have_other_hues() -> None:
    hues = [colorsys.rgb_to_hsv(*(colour / 255))[0] for colour in VIEW_COLOURS[1:9]]
    apart = [abs(a - b) for i, a in enumerate(hues) for b in hues[:i]]
    assert min(min(distance, 1 - distance) for distance in apart) > 15 / 360
    assert len({tuple(colour) for colour in VIEW_COLOURS[1:101].tolist()}) == 100


def test_an_overlay_shows_them_on_black_and_on_white() -> None:
    label = np.zeros((40, 60), np.uint8)
    label[10:30, 20:40] = 1
    for ground in (0, 255):
        image = draw_overlay(np.full((40, 60, 3), ground, np.uint8), label)
        edge, beside = image[10, 30, ::-1], image[9, 30]
        assert edge.tolist() == VIEW_COLOURS[1].tolist() and beside.max() < 40
        assert (image[:9] == ground).all()
