"""Pictures as video decoders leave them, and FFmpeg's own BGR of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.nv12 import MATRICES, Nv12
from tests.kernels.calls import Caller

KINDS = list(product(MATRICES, (False, True)))
SIZES = [((50, 76), (33, 49)), ((90, 162), (17, 19)), ((2, 2), (33, 33)), ((34, 50), (34, 50))]


def drawn(
    size_hw: tuple[int, int], matrix: str = "bt601", *, full_range: bool = False, padding: int = 0
) -> Nv12:
    """Noise within the nominal range; rows are `padding` bytes longer than the picture is wide."""
    height, width = size_hw
    random = np.random.default_rng(height * width + padding)
    low, high = (0, 256) if full_range else (16, 236)
    luma = random.integers(low, high, (height, width + padding), np.uint8)
    chroma = random.integers(low, high, (height // 2, width + 2 * padding), np.uint8)
    return Nv12(luma, chroma, width, matrix, full_range)


def held(caller: Caller, picture: Nv12) -> Nv12:
    """The picture on the kernels' device."""
    planes = caller.held(picture.luma), caller.held(picture.chroma)
    return Nv12(*planes, picture.width, picture.matrix, picture.full_range)


def ffmpegs(picture: Nv12) -> npt.NDArray[np.uint8]:
    """BGR (H, W, 3) by FFmpeg's swscale, as the runtime has it make pictures of decoded H.264."""
    import av

    planes = picture.luma[:, : picture.width], picture.chroma[:, : picture.width]
    given = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.vstack(planes)), format="nv12")
    graph, (height, width, _) = av.filter.Graph(), picture.shape
    source = graph.add_buffer(width=width, height=height, format="nv12", time_base=Fraction(1, 25))
    matrix, extent = picture.matrix.replace("bt601", "smpte170m"), "pc" if picture.full_range else "tv"
    marked = graph.add("setparams", f"chroma_location=left:colorspace={matrix}:range={extent}")
    sink = graph.add("buffersink")
    source.link_to(marked)
    marked.link_to(sink)
    graph.configure()
    graph.push(given)
    return np.asarray(graph.pull().to_ndarray(format="bgr24"), np.uint8)
