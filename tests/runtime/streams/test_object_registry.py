"""Objects by id: given out, lost, found, refused."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import PromptError
from ermu.runtime.results import ObjectState
from ermu.runtime.streams.object_registry import ObjectRegistry
from tests.runtime.conftest import sightings


def test_ids_come_back_only_when_all_have_been_used() -> None:
    registry = ObjectRegistry()
    for expected in range(1, 255):
        assert registry.next_id() == expected
        registry.add([expected], frame=0, time=0)
        if expected % 2:
            registry.remove(expected)
    assert registry.next_id() == 1
    registry.add([1], frame=0, time=0)
    assert registry.next_id() == 3


def test_an_absent_object_is_lost_and_found() -> None:
    registry = ObjectRegistry(lost_seconds=1.0)
    registry.add([5], frame=0, time=0.0, name="cat")
    there, gone = np.full((4, 4), 5, np.uint8), np.zeros((4, 4), np.uint8)
    states = []
    for time, label in [(0.0, there), (0.5, gone), (1.0, gone), (1.2, gone), (1.5, there)]:
        registry.observe(sightings(label, [5], 0.9), frame=0, time=time)
        states.append(registry.sightings[0].state)
    visible, absent, lost = ObjectState.VISIBLE, ObjectState.ABSENT, ObjectState.LOST
    assert states == [visible, absent, absent, lost, visible]
    assert registry.sightings[0].found == 1
    (cat,) = registry.sightings
    assert (cat.name, cat.area, cat.box, cat.score) == ("cat", 16, (0, 0, 4, 4), 0.9)


def test_what_is_refused() -> None:
    registry = ObjectRegistry()
    registry.add([5], frame=0, time=0)
    with pytest.raises(PromptError, match="in use"):
        registry.add([5], frame=0, time=0)
    with pytest.raises(PromptError, match="no object 6"):
        registry.remove(6)
