"""Decoding by a GPU's decoder (NVDEC) through FFmpeg; the CPU stands in where that cannot be.

FFmpeg brings every frame back to the host, where sources, sinks and prompts want it: processors are spared
the decoding, not the copy. PyAV could leave frames on the GPU as NV12 (`is_hw_owned`, by DLPack); nothing
here takes them so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

from ermu.devices.names import parse_device

logger = logging.getLogger("ermu.sources")


@contextmanager
def opened(where: str, device: str, shown: str, **options: Any) -> Iterator[Any]:
    """An input container whose video is decoded on a device where that can be, which the log says if not.

    Args:
        where: As `av.open` takes it.
        device: `cpu`, `cuda`, or `cuda:1` for another than the first GPU.
        shown: What it is called in the log.
        options: Of `av.open`.

    Raises:
        av.FFmpegError: it cannot be opened at all.
    """
    container = _on_gpu(where, device, shown, options) or av.open(where, **options)
    with container:
        yield container


def on_gpu(stream: Any) -> bool:
    """Whether a stream is decoded by a GPU; FFmpeg's threads are then of no use."""
    return bool(getattr(stream.codec_context, "is_hwaccel", False))


def _on_gpu(where: str, device: str, shown: str, options: dict[str, Any]) -> Any:
    """The container with its video decoded on the GPU; None where it is to be opened without."""
    place = parse_device(device)
    if not place.on_gpu:
        return None
    kind = av.codec.hwaccel.HWAccel
    wanted = kind(place.kind, device=str(place.index), allow_software_fallback=True)
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
