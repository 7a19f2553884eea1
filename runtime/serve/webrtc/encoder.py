"""One VP8 encoder a stream, for any number of viewers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from time import monotonic
from typing import Any

import av
import numpy as np

from ermu.types import Image

CLOCK = 90_000  # RTP's for video (RFC 7741)
_BITS_A_PIXEL = 4  # a second; 640 x 360 gets 0.9 Mbit/s, 1280 x 720 3.7
_LEAST_BITS, _MOST_BITS = 1_000_000, 6_000_000
_KEY_SECONDS = 4.0  # a viewer that has lost what cannot be sent again is whole after so long


@dataclass(frozen=True)
class EncodedPicture:
    """A picture as one VP8 frame.

    Attributes:
        data: The frame.
        key: Whether it can be shown without those before it.
        pts: In ticks of `CLOCK`, later than the one before.
    """

    data: bytes
    key: bool
    pts: int

    def packet(self) -> Any:
        """As PyAV knows it."""
        packet = av.Packet(self.data)
        packet.pts, packet.time_base = self.pts, Fraction(1, CLOCK)
        return packet


class Encoder:
    """Encodes pictures as they come: no picture waits for another. For one thread at a time."""

    def __init__(self) -> None:
        self._codec: Any = None
        self._size = (0, 0)
        self._key_due = 0.0
        self._pts = 0

    def encode(self, image: Image, *, key: bool) -> EncodedPicture | None:
        """A picture, BGR uint8 H x W x 3; None where the encoder leaves it out.

        Args:
            image: Of any size; where it changes the encoder begins anew.
            key: Make one that can be shown by itself.
        """
        now, size = monotonic(), (image.shape[1], image.shape[0])
        if self._codec is None or size != self._size:
            self._codec, self._size = _codec(size), size
            key = True
        key = key or now >= self._key_due
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24").reformat(
            format="yuv420p"
        )
        self._pts = max(self._pts + 1, int(now * CLOCK))
        frame.pts, frame.time_base = self._pts, Fraction(1, CLOCK)
        if key:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_due = now + _KEY_SECONDS
        packets = self._codec.encode(frame)
        data = b"".join(bytes(packet) for packet in packets)
        return (
            EncodedPicture(data, any(packet.is_keyframe for packet in packets), self._pts) if data else None
        )


def _codec(size: tuple[int, int]) -> Any:
    bits = min(max(_BITS_A_PIXEL * size[0] * size[1], _LEAST_BITS), _MOST_BITS)
    codec: Any = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height = size
    codec.pix_fmt, codec.time_base = "yuv420p", Fraction(1, CLOCK)
    codec.bit_rate, codec.gop_size = bits, 100_000
    codec.qmin, codec.qmax, codec.thread_count = 4, 50, 1
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "bufsize": str(bits),
        "minrate": str(bits),
        "maxrate": str(bits),
        "static-thresh": "1",
        "error-resilient": "1",
    }
    return codec
