"""Whether OpenCV really converted a picture that it hands out.

Its FFmpeg refuses to convert frames that are marked as interlaced (measured with 4.13 and 5.0); OpenCV passes
over that and hands out what its buffer held: memory that nobody wrote, then the same for every such frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import cv2
import numpy as np

from ermu.errors import SourceError
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.decoders.progressive import is_progressive
from ermu.types import Image

_HELD_BACK = 50  # pictures of a live stream, all the same from the first one on


def may_be_interlaced(name: str) -> bool:
    """Whether a file's header leaves room for interlaced frames."""
    capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])  # packets, undecoded
    try:
        capture.grab()
        codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1")
        there, header = capture.retrieve(flag=int(capture.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
        return not is_progressive(codec, header.tobytes() if there and header is not None else b"")
    finally:
        capture.release()


def converted(frames: Iterable[Frame], name: str) -> Iterator[Frame]:
    """Frames of a file, none of which is the one before once more.

    Raises:
        SourceError: one is, or there is one alone: it cannot be told from one that was not converted.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        return
    second = next(frames, None)
    if second is None or np.array_equal(first.image, second.image):
        raise _doubtful(name)
    yield first
    yield second
    before = second
    for frame in frames:
        if np.array_equal(before.image, frame.image):
            raise _doubtful(name)
        yield frame
        before = frame


def converted_live(images: Iterable[Image], name: str) -> Iterator[Image]:
    """Pictures of a live stream from the second one on that differs from the first.

    Raises:
        SourceError: none of the first 50 does.
    """
    changed = False
    for number, (before, image) in enumerate(pairwise(images)):
        changed = changed or not np.array_equal(before, image)
        if changed:
            yield image
        elif number == _HELD_BACK:
            raise _doubtful(name)


def _doubtful(name: str) -> SourceError:
    return SourceError(
        f"{name} may be interlaced, and OpenCV gives the same picture again, as it does where it cannot "
        "convert interlaced video.",
        expected="progressive video, or PyAV to decode it",
        fix="pip install av",
    )
