"""A folder of sessions: what is refused is kept aside, what has not changed is not written again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import OptionError
from ermu.runtime.images.prompter import Box
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.session import Session
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.sessions.folder import SessionFolder
from ermu.runtime.streams.sessions.snapshots import Snapshots

Segmenters = Callable[..., Segmenter]
PICTURES = [np.random.default_rng(i).integers(0, 256, (64, 80, 3), np.uint8) for i in range(4)]


class Pictures(Source):
    def __iter__(self) -> Iterator[Frame]:
        return (Frame(i, str(i), image, i / 10) for i, image in enumerate(PICTURES))


@pytest.fixture
def stream(tiny_segmenter: Segmenters) -> Callable[..., Pipeline]:
    return lambda **options: Pipeline(tiny_segmenter(**options), Pictures(), name="door")


def test_written_where_something_has_changed_and_gone_on_from(
    stream: Callable[..., Pipeline], tmp_path: Path
) -> None:
    pipeline, folder = stream(), SessionFolder(tmp_path)
    snapshots = Snapshots([pipeline], folder)
    snapshots.save()
    assert snapshots.written == 0  # no frame yet
    pipeline.run()
    for edit in (
        lambda: None,
        lambda: pipeline.add_objects(Box(5, 5, 40, 40)),
        lambda: pipeline.rename_object(1, "a"),
        pipeline.pause,
    ):
        edit()
        before = snapshots.written
        snapshots.save()
        snapshots.save()
        assert snapshots.written == before + 1
    assert "4 sessions written to" in snapshots.summary() and "ms (p50)" in snapshots.summary()
    then = stream()
    assert Snapshots([then], folder).restore() == ["door"]
    assert then.objects.known(1).name == "a" and then.paused
    assert np.array_equal(then.segmenter.logits(), pipeline.segmenter.logits())


def test_what_is_refused_is_kept_aside(
    stream: Callable[..., Pipeline], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unbounded = stream(policy="none")
    unbounded.run()
    folder = SessionFolder(tmp_path)
    for name, content in (("door.ermu.refused", b"torn"), ("door.ermu.refused2", b"PK\3\4 torn")):
        (tmp_path / "door.ermu").write_bytes(content)
        with caplog.at_level(logging.ERROR, "ermu.streams"):
            assert Snapshots([stream()], folder).restore() == []
        assert (tmp_path / name).read_bytes() == content and not (tmp_path / "door.ermu").exists()
    assert "is not a session" in caplog.text and "truncated" in caplog.text
    unbounded.save(tmp_path / "door.ermu")
    with caplog.at_level(logging.ERROR, "ermu.streams"):
        assert Snapshots([stream()], folder).restore() == []
    assert "keeps every frame for ever" in caplog.text
    assert Session.read(tmp_path / "door.ermu.refused3").head.segmenter.options.policy == "none"


def test_a_folder_that_goes_away_stops_nobody(
    stream: Callable[..., Pipeline], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, folder = stream(), tmp_path / "gone"
    with SessionFolder(folder) as held, Snapshots([pipeline], held, seconds=3600) as snapshots:
        pipeline.run()
        shutil.rmtree(folder)
        with caplog.at_level(logging.ERROR, "ermu.streams"):
            snapshots.save()
        assert "The session of door is not saved: Cannot write" in caplog.text
        folder.mkdir()
    assert (folder / "door.ermu").exists()  # saved at the end
    with pytest.raises(OptionError, match="every 0 seconds"):
        Snapshots([pipeline], held, seconds=0)
