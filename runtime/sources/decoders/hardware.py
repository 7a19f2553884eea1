"""Decoding by a GPU's decoder (NVDEC) through FFmpeg; the CPU stands in where that cannot be.

Where the pictures are wanted on that very GPU they stay there: FFmpeg then works in the primary context, as
ERMU does. It copies each picture out of the decoder into memory of its own, which grows with what is held of
it: whoever keeps a picture keeps no surface of the decoder's. What the kernels do not read comes down as BGR,
and so does everything where it is wanted elsewhere.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import av
import numpy as np

from ermu.devices.driver.legacy_stream import has_failed, legacy_stream, let_ffmpeg_share
from ermu.devices.names import DeviceName, parse_device
from ermu.errors import BackendError, SourceError
from ermu.kernels.base.nv12 import Nv12
from ermu.runtime.images.frames import GpuPicture, Picture
from ermu.runtime.sources.decoders.dlpack import plane_of
from ermu.types import Image

logger = logging.getLogger("ermu.sources")

# By AVColorSpace and AVColorRange; what names none is taken for what swscale takes it for.
_MATRICES = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601"}
_FULL_RANGES = {0: False, 1: False, 2: True}


class GpuFailedError(SourceError):
    """A GPU that decodes has failed, or has been reset since."""


class Decoding:
    """What comes of a decoder's frames.

    Args:
        device: Where it was to decode.
        stays_on: Where the pictures are wanted.

    Attributes:
        shared: Whether FFmpeg works in the context that ERMU uses.
    """

    def __init__(self, device: str = "cpu", stays_on: str = "cpu") -> None:
        self._place = parse_device(device)
        self.shared = self._place.on_gpu and self._place == parse_device(stays_on)
        self._legacy = legacy_stream(self._place.index)
        self._resets = self._legacy.resets

    def is_lost(self) -> bool:
        """Whether the GPU has been reset since, and FFmpeg's decoder and pictures are gone with it."""
        return self.shared and self._legacy.resets != self._resets

    def is_doomed(self) -> bool:
        """Whether they are gone, or will be: after a fault, before the reset."""
        return self.shared and (self.is_lost() or has_failed(self._place.index))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A `with` block for whatever has FFmpeg work on a GPU that is shared with it.

        Raises:
            GpuFailedError: the GPU has been reset since.
        """
        with self._legacy.used() if self.shared else nullcontext():
            if self.is_lost():
                raise GpuFailedError(f"{self._place} was reset, and has lost what it decoded.")
            yield

    def picture(self, frame: Any, again: Callable[[], Image] | None = None) -> Picture:
        """A frame's picture, on the GPU if it can be read there; not turned as its file may say.

        Args:
            frame: PyAV's.
            again: Decodes it once more on the CPU, should the GPU lose it before it has come down.
        """
        if frame.format.name != "cuda" or not _is_read(frame):
            return self.image(frame)
        kept = _Kept(self, frame)
        luma, chroma = (plane_of(plane.__dlpack__(), kept) for plane in frame.planes)
        colours = _MATRICES[frame.colorspace], _FULL_RANGES[frame.color_range]
        nv12, lost = Nv12(luma, chroma, frame.width, *colours), self.is_lost
        return GpuPicture(nv12, self._place, lambda: self.image(kept.frame), lost=lost, again=again)

    def image(self, frame: Any) -> Image:
        """A frame's BGR picture on the host, uint8 H x W x 3.

        Raises:
            GpuFailedError: it was on a GPU, which has lost it.
        """
        try:
            with self.turn():
                return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        except av.FFmpegError as error:
            if frame.format.name != "cuda":
                raise
            text = f"A picture cannot be brought down from {self._place}: {error.strerror}."
            raise GpuFailedError(text, fix="decode on the CPU: --decode cpu") from error


class _Kept:
    """Keeps a frame on a GPU; for good after a reset, since FFmpeg would free what may be ours by then."""

    def __init__(self, decoding: Decoding, frame: Any) -> None:
        self._decoding, self.frame = decoding, frame

    def __del__(self) -> None:
        if self._decoding.is_lost():
            _keep_for_good(self.frame)


def _keep_for_good(held: object) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


@contextmanager
def opened(
    where: str, device: str, shown: str, *, stays_on: str = "cpu", **options: Any
) -> Iterator[tuple[Any, Decoding]]:
    """An input container whose video is decoded on a device where that can be, which the log says if not.

    With it comes what makes pictures of its frames, which knows of every reset since before it was opened.

    Args:
        where: As `av.open` takes it.
        device: `cpu`, `cuda`, or `cuda:1` for another than the first GPU.
        shown: What it is called in the log.
        stays_on: The device on which its frames are wanted; they stay on the GPU if it is that one.
        options: Of `av.open`.

    Raises:
        av.FFmpegError: it cannot be opened at all.
    """
    decoding = Decoding(device, stays_on)
    container = _on_gpu(where, device, shown, options, shared=decoding.shared) or av.open(where, **options)
    codecs = [stream.codec_context for stream in container.streams.video if on_gpu(stream)]
    try:
        with container:
            yield container, decoding
    finally:
        if codecs and decoding.is_doomed():
            _keep_for_good(codecs)


def on_gpu(stream: Any) -> bool:
    """Whether a stream is decoded by a GPU; FFmpeg's threads are then of no use."""
    return bool(getattr(stream.codec_context, "is_hwaccel", False))


def _is_read(frame: Any) -> bool:
    """Whether the kernels read a frame as it lies on the GPU."""
    kind = frame.sw_format.name if frame.sw_format else ""
    known = frame.colorspace in _MATRICES and frame.color_range in _FULL_RANGES
    even = frame.width % 2 == frame.height % 2 == 0
    return kind == "nv12" and known and even and not frame.interlaced_frame


def _on_gpu(where: str, device: str, shown: str, options: dict[str, Any], *, shared: bool) -> Any:
    """The container with its video decoded on the GPU; None where it is to be opened without."""
    place = parse_device(device)
    if not place.on_gpu:
        return None
    wanted = _sharing(place, shown) if shared else None
    if wanted is None:
        wanted = av.codec.hwaccel.HWAccel(place.kind, device=str(place.index), allow_software_fallback=True)
    try:
        container = av.open(where, hwaccel=wanted, **options)
    except av.FFmpegError as error:  # no GPU, no library for its decoder, or nothing there to open
        text = "%s is decoded on the CPU: the decoder of %s cannot be had (%s)."
        logger.warning(text, shown, place, error.strerror or type(error).__name__)
        return None
    video = container.streams.best("video")
    if video is not None and not on_gpu(video):
        codec = video.codec_context.name
        logger.warning("%s is decoded on the CPU: %s has no decoder for %s.", shown, place, codec)
    return container


def _sharing(place: DeviceName, shown: str) -> Any:
    """How PyAV decodes in the context that ERMU uses, and leaves the frames there; None where it does not."""
    kind, index = av.codec.hwaccel.HWAccel, str(place.index)
    if not (hasattr(av.VideoFrame, "sw_format") and hasattr(av.video.plane.VideoPlane, "__dlpack__")):
        logger.info("%s: pictures come down from %s: PyAV %s leaves none.", shown, place, av.__version__)
        return None
    try:
        let_ffmpeg_share(place.index)
        wanted = kind(place.kind, device=index, options={"primary_ctx": "1"}, is_hw_owned=True)
        wanted.create(av.Codec("h264", "r"))  # a trial: opening a camera may take its time
    except (BackendError, TypeError, av.FFmpegError) as error:  # TypeError: before PyAV 17
        logger.info("%s: pictures come down from %s, which FFmpeg does not share (%s).", shown, place, error)
        return None
    return wanted
