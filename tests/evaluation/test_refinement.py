"""A correction holds because the memory frames that say otherwise leave: shown on the demo network."""

from __future__ import annotations

import pytest

from ermu.evaluation.refinement import clip_with_a_double, outcome
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle


@pytest.mark.parametrize(("seed", "hint", "late"), [(5, "mask", 0), (30, "mask", 3)])
def test_an_object_is_back_and_stays_and_its_neighbours_are_as_they_were(
    seed: int, hint: str, late: int
) -> None:
    bundle = Bundle.load("demo")
    with open_backend(bundle, threads=1) as backend:
        clip = clip_with_a_double(seed)
        alone, kept, corrected = (
            outcome(bundle, backend, clip, way, hint=hint, late=late)
            for way in ("left alone", "wrong frames kept", "corrected")
        )
    assert alone is not None and kept is not None and corrected is not None
    assert alone.object < 0.3 and kept.object < 0.4
    assert corrected.object > 0.6 and corrected.object > kept.object + 0.3
    assert corrected.neighbours > alone.neighbours - 0.1
