"""The size rule on sizes worked out by hand from `docs/spec/network.md`."""

from __future__ import annotations

import pytest

from ermu.runtime.bundle.sizes import SizeLimits, network_size

MULTI = dict(long_edge=1040, short_edge=624)


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
    assert network_size(source, SizeLimits(**limits)) == expected
