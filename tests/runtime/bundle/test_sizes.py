"""The size rule of both kinds of grid, by the published code's figures and by hand."""

from __future__ import annotations

import pytest

from ermu.runtime.bundle.sizes import ALIGNED, UNALIGNED, GridRule, Grids, SizeLimits

MULTI = dict(long_edge=1040, short_edge=624)


@pytest.mark.parametrize(
    ("rule", "source", "expected"),
    [
        (ALIGNED, (480, 854), (481, 849)),
        (UNALIGNED, (480, 854), (480, 848)),
        (ALIGNED, (1080, 1920), (577, 1041)),
        (UNALIGNED, (1080, 1920), (592, 1040)),
        (UNALIGNED, (40, 56), (48, 64)),  # 3.5 sixteenths: halves to even
        (ALIGNED, (5, 5), (33, 33)),
        (UNALIGNED, (5, 5), (48, 48)),
    ],
)
def test_a_frames_size(rule: GridRule, source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert rule.network_size(source) == expected
    assert rule.fits(expected)


@pytest.mark.parametrize("hw", [(160, 272), (161, 272), (161, 273), (32, 48), (48, 48), (33, 33), (17, 33)])
def test_what_fits(hw: tuple[int, int]) -> None:
    assert ALIGNED.fits(hw) == (hw in {(161, 273), (33, 33)})
    assert UNALIGNED.fits(hw) == (hw in {(160, 272), (48, 48)})


def test_grids_of_the_golden_sizes() -> None:
    aligned, unaligned = Grids(161, 273, ALIGNED), Grids(160, 272, UNALIGNED)
    assert aligned.tokens == (11, 18) and unaligned.tokens == (10, 17)
    found = aligned.symbols(), unaligned.symbols()
    assert [s["h4"] for s in found] == [41, 40] and [s["w4"] for s in found] == [69, 68]
    assert [s["h8"] for s in found] == [21, 20] and [s["w8"] for s in found] == [35, 34]
    assert (ALIGNED.patch, UNALIGNED.patch) == (17, 16)
    assert (ALIGNED.example, UNALIGNED.example) == ("353x641", "352x640")


@pytest.mark.parametrize(
    ("source", "limits", "expected"),
    [
        ((480, 854), {}, (481, 849)),
        ((180, 320), {"long_edge": 288}, (161, 289)),
        ((1080, 1920), {}, (577, 1041)),  # 585 lies half-way between 577 and 593: to the even k
        ((1081, 1920), {}, (577, 1041)),  # 585.54 is truncated to 585
        ((480, 854), {**MULTI, "scale": 1.3}, (625, 1105)),  # 624 x 1110.2
        # 1080 -> 624 makes 624 x 1109.33, 1109.33 -> 1040 makes 585 x 1040; times 1.3: 760 x 1352
        ((1080, 1920), {**MULTI, "scale": 1.3}, (753, 1345)),
        ((1920, 1080), {**MULTI, "scale": 1.3}, (1345, 753)),
        ((1000, 1000), MULTI, (625, 625)),
        ((1000, 1000), {}, (993, 993)),  # 62.4 steps of 16
        ((20, 30), {}, (33, 33)),
    ],
)
def test_network_sizes(source, limits, expected):
    assert ALIGNED.network_size(source, SizeLimits(**limits)) == expected
