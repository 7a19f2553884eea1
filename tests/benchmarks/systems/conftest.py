"""What the tests of other systems share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SAM 2.1 as transformers saves one."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers", reason="transformers is not installed (ermu[sam2])")
    from transformers import Sam2VideoModel

    from tests.benchmarks.systems.small import drawn, hiera

    place = tmp_path_factory.mktemp("sam2") / "sam2.1-small"
    drawn(Sam2VideoModel, hiera()).save_pretrained(place)
    return place
