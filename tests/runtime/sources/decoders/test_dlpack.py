"""Planes by DLPack; those of a GPU are in `tests/emulated_gpu/decoding`."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import SourceError
from ermu.runtime.sources.decoders.dlpack import plane_of

av = pytest.importorskip("av", reason="PyAV hands planes out (extra `live`)")


def test_a_plane_of_the_host_is_refused() -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((6, 8), np.uint8), format="nv12")
    with pytest.raises(
        SourceError, match=r"(?s)8 bits in 2 dimensions, on a device of kind 1.*kind 2 \(CUDA\)"
    ):
        plane_of(frame.planes[0].__dlpack__(), frame)


def test_what_is_no_capsule_of_a_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match="PyCapsule"):
        plane_of(object(), None)
