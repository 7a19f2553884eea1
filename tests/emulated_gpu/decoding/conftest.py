"""The clips of the emulated GPU's tests as videos, and what the host's path makes of their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import read_label_map, write_label_map
from ermu.runtime.segmenter import Segmenter
from ermu.types import Image
from tests.emulated_gpu.decoding.videos import Video, written
from tests.emulated_gpu.test_command_line import MEMORY

SIZE = (96, 128)


@pytest.fixture(scope="session")
def video(clip: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Video]:
    """`video(2)`: so many objects that drift, their label map in the first frame beside it."""

    def made(objects: int, frames: int = 13, *, still: bool = False, **how: object) -> Video:
        pytest.importorskip("av", reason="PyAV decodes (extra `live`)")
        drawn, folder = clip(objects, frames), tmp_path_factory.mktemp("video")
        height, width = SIZE
        images = [cv2.imread(str(file))[:height, :width] for file in sorted((drawn / "frames").iterdir())]
        images = len(images) * images[:1] if still else images
        write_label_map(folder / "prompt.png", read_label_map(drawn / "prompt.png")[:height, :width])
        return written(folder, images, **how)  # type: ignore[arg-type]

    return made


def on_host(bundle: Path, video: Video, images: Sequence[Image] | None = None) -> np.ndarray:
    """The label maps that the CPU makes of BGR pictures; default, of FFmpeg's of the planes."""
    first, *others = images or video.bgr()
    prompt = read_label_map(video.path.with_name("prompt.png"))
    with Segmenter(bundle, **MEMORY) as segmenter:
        segmenter.start(first, prompt)
        return np.stack([prompt, *(segmenter.step(image).label for image in others)])
