"""Fixtures of the kernel tests: each golden eviction in turn."""

from __future__ import annotations

import pytest

from tests.kernels.kernel_cases import CONSTANTS, Event, load_event


@pytest.fixture(
    params=[(model, number) for model in CONSTANTS for number in (0, 1, 9)], ids=lambda p: f"{p[0]}-{p[1]}"
)
def event(request: pytest.FixtureRequest) -> Event:
    return load_event(*request.param)
