"""A file played as a camera goes on where another process has come to."""

from __future__ import annotations

from itertools import islice

import pytest

from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource

CLIP = "scene:3,size=33x49,frames=5,fps=1000"


@pytest.mark.parametrize(("begin_at", "loop"), [(0, False), (3, False), (5, False), (0, True), (13, True)])
def test_it_begins_at_a_frame_and_counts_on(begin_at: int, loop: bool) -> None:
    drawn = [frame.image for frame in open_source(CLIP)]
    shown = list(islice(PacedSource(open_source(CLIP), loop=loop, begin_at=begin_at), 8))
    assert [frame.index for frame in shown] == list(range(begin_at, begin_at + 8 if loop else 5))
    assert all((frame.image == drawn[frame.index % 5]).all() for frame in shown)
