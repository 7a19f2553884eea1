"""A session's objects are found in another stream without a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ermu.benchmarks.measures.priming import clips, jaccard
from ermu.errors import SessionError, SourceError, StateError
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.session import Session
from ermu.runtime.streams.pipeline import Pipeline
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.scenes.source import SceneSource

Segmenters = Callable[..., Segmenter]
CLIP = list(Scene(SceneConfig(seed=11, size_hw=(96, 128), frames=6, objects=3)))


def test_the_same_object_in_another_clip() -> None:
    """The demo network; another backdrop, place and motion. Nothing at all is found without the session."""
    one, other = clips(4, 6)
    with Segmenter("demo", threads=1) as segmenter:
        segmenter.start(*one[0])
        for image, _ in one[1:]:
            segmenter.step(image)
        session = segmenter.session()
        found = [segmenter.prime(session, other[0][0])]
        found += [segmenter.step(image) for image, _ in other[1:]]
    pairs = zip(found, other, strict=True)
    assert np.mean([j for result, (_, truth) in pairs for j in jaccard(result.label, truth)]) > 0.7
    assert [result.frame for result in found] == list(range(6, 12))


def test_the_bank_stays_and_the_picture_may_have_another_size(tiny_segmenter: Segmenters) -> None:
    segmenter = tiny_segmenter(gap=2)
    segmenter.start(*CLIP[0])
    for image, _ in CLIP[1:]:
        segmenter.step(image)
    session, held = segmenter.session(), segmenter.memory[0].frames
    larger = CLIP[0][0].repeat(2, 0).repeat(2, 1)
    result = segmenter.prime(session, larger)
    assert result.label.shape == (192, 256) and result.memory[0].frames == held == [0, 2, 4]
    assert segmenter.step(larger).memory[0].frames == held  # the gap begins anew
    assert segmenter.step(larger).memory[0].frames == [*held, 8]
    with pytest.raises(SourceError):
        segmenter.prime(session, larger[..., 0])
    assert segmenter.frame == 8


def test_a_stream_keeps_ids_and_names(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    scene = SceneConfig(seed=11, size_hw=(96, 128), frames=5, objects=3)
    first, other = (Pipeline(tiny_segmenter(), SceneSource(scene)) for _ in range(2))
    first.run(CLIP[0][1])
    first.rename_object(2, "zwei")
    first.save(tmp_path / "s.ermu")
    session = Session.read(tmp_path / "s.ermu")
    other.prime(session)
    other.run()
    named = [(each.id, each.name, each.added_frame) for each in other.objects.sightings]
    assert named == [(1, "object 1", 5), (2, "zwei", 5), (3, "object 3", 5)]
    assert other.frames == 5 and other.segmenter.frame == 9
    with pytest.raises(StateError, match="has its objects"):
        other.prime(session)
    foreign = session.head.model_copy(update={"bundle": "0" * 64})
    with pytest.raises(SessionError, match="another bundle"):
        Pipeline(tiny_segmenter(), SceneSource(scene)).prime(Session(foreign, {}, []))
