"""A second decoder beside the one that makes the pictures: it refuses what the first passes over."""

from __future__ import annotations

from typing import Any

import av

# Measured on 60 files each, with random bytes in them: FFmpeg's own decoder tells 7 in VP9, 10 in VP8 and 13
# in motion JPEG; with these beside it 60, 36 and 34 are told.
_STRICT: dict[str, tuple[str, dict[str, str]]] = {
    "vp9": ("libvpx-vp9", {}),
    "vp8": ("libvpx", {}),
    "mjpeg": ("mjpeg", {"err_detect": "explode"}),
}


class Witness:
    """Remembers by their stamps the packets that a strict decoder refuses, where there is one."""

    def __init__(self, stream: Any) -> None:
        self._decoder = _strict(stream.codec_context)
        self._refused: set[int] = set()

    @property
    def is_there(self) -> bool:
        """Whether a strict decoder looks at this stream."""
        return self._decoder is not None

    def look(self, packet: Any) -> None:
        """Takes note of a packet, before its frame is asked for."""
        if self._decoder is None:
            return
        try:
            self._decoder.decode(packet)
        except av.InvalidDataError:
            self._refused.add(packet.pts)
        except av.FFmpegError:  # the decoder was built without what this stream is made of
            self._decoder = None

    def objects_to(self, frame: Any) -> bool:
        """Whether the packet of this frame was refused."""
        if frame.pts not in self._refused:
            return False
        self._refused.remove(frame.pts)
        return True


def _strict(decoding: Any) -> Any:
    name, options = _STRICT.get(decoding.name, ("", {}))
    if name not in av.codecs_available:
        return None
    decoder = av.CodecContext.create(name, "r")
    decoder.extradata = decoding.extradata
    decoder.options = options
    return decoder
