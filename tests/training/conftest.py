"""Fixture: the config of a training small enough for tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.training import tiny_training

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("yaml", reason="training configs are YAML")


@pytest.fixture
def tiny() -> dict[str, Any]:
    """A valid training config as YAML would give it."""
    return tiny_training()
