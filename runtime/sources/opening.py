"""From a description on the command line to a source."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from ermu.errors import SourceError
from ermu.runtime.sources.base import Source
from ermu.runtime.sources.kinds.camera import CameraSource
from ermu.runtime.sources.kinds.images import IMAGE_SUFFIXES, ImageSource
from ermu.runtime.sources.kinds.network import SCHEMES, NetworkSource
from ermu.runtime.sources.kinds.video import VideoSource
from ermu.runtime.sources.redaction import redact
from ermu.scenes.source import PREFIXES, SceneSource


def open_source(where: str) -> Source:
    """Opens a source.

    Args:
        where: A folder of images, a glob, a video file, a camera index, an RTSP or HTTP address, or a scene.

    Raises:
        SourceError: nothing is there, or it holds no image. A network address is not tried yet.
    """
    if where.lower().startswith(SCHEMES):
        return NetworkSource(where)
    if where.startswith(PREFIXES):
        return SceneSource.parse(where)
    path = Path(where)
    if where.isdecimal() and not path.exists():
        return CameraSource(int(where))
    if path.is_dir():
        return ImageSource(_images(path.iterdir(), where))
    if path.is_file():
        return ImageSource([path]) if path.suffix.lower() in IMAGE_SUFFIXES else VideoSource(path)
    if glob.has_magic(where):
        return ImageSource(_images(map(Path, glob.glob(where)), where))  # noqa: PTH207  absolute globs too
    raise SourceError(
        f"There is no source at '{redact(where)}'.",
        expected="a folder of images, a glob such as 'frames/*.jpg', a video file, a camera index, "
        "an rtsp:// or http:// address, or scene:SEED",
    )


def _images(paths: Iterable[Path], where: str) -> list[Path]:
    images = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise SourceError(
            f"'{where}' holds no images.", expected=f"files ending in {', '.join(IMAGE_SUFFIXES)}"
        )
    return images
