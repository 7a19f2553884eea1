"""A toy network, open, whose answers can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from tests.support.toy.bundle import write_toy


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_toy(tmp_path_factory.mktemp("toy") / "bundle")


@pytest.fixture(scope="session")
def toy_backend(toy: Bundle) -> Iterator[Backend]:
    with open_backend(toy, threads=1) as backend:
        yield backend


@pytest.fixture
def toy_segmenter(toy: Bundle, toy_backend: Backend) -> Callable[..., Segmenter]:
    """Segmenters of the toy; they share its graphs."""

    def segmenter(**options: object) -> Segmenter:
        return Segmenter(toy, backend=toy_backend, **options)  # type: ignore[arg-type]

    return segmenter


def heat(segmenter: Segmenter, object_id: int) -> np.ndarray:
    """An object's logits of the latest frame."""
    place = segmenter.ids.index(object_id)
    return segmenter.logits()[place // 10, 1 + place % 10]
