"""Small H.264 videos, with the pictures that the emulated decoder hands out for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from ermu.kernels.base.nv12 import Nv12
from ermu.types import Image
from tests.kernels.nv12_cases import ffmpegs

INTERLACED = 1 << 18 | 1 << 29  # FFmpeg's flags for interlaced DCT and motion estimation
NAMES = {"bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020nc"}


@dataclass(frozen=True)
class Video:
    """A video of H x W, both multiples of 16, without frames that wait for later ones.

    Attributes:
        path: Of the MP4 file.
        pictures: Of the file that holds what the CPU decodes of it, NV12 frame by frame.
        planes: The same, uint8 (frames, 3 H / 2, W).
        matrix: As it says of itself.
        full_range: Likewise.
    """

    path: Path
    pictures: Path
    planes: npt.NDArray[np.uint8]
    matrix: str = "bt601"
    full_range: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """What tells the emulated decoder."""
        return {"EMULATED_PICTURES": str(self.pictures)}

    def bgr(self, converted: Callable[[Nv12], Image] = ffmpegs) -> list[Image]:
        """Its pictures; default, as the host's path has them, by FFmpeg."""
        height, width = self.planes.shape[1] * 2 // 3, self.planes.shape[2]
        kind = width, self.matrix, self.full_range
        return [converted(Nv12(planes[:height], planes[height:], *kind)) for planes in self.planes]


def written(
    folder: Path,
    images: Sequence[npt.NDArray[np.uint8]],
    *,
    matrix: str = "bt601",
    full_range: bool = False,
    kind: str = "yuv420p",
    rotation: int = 0,
    interlaced: bool = False,
) -> Video:
    """Encodes BGR images of H x W."""
    path, pictures = folder / "clip.mp4", folder / "clip.nv12"
    wide = "on" if full_range else "off"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = kind
        stream.options = {
            **{"bf": "0", "g": "6", "crf": "12"},
            "x264-params": f"colormatrix={NAMES[matrix]}:fullrange={wide}" + interlaced * ":tff=1",
        }
        if interlaced:
            stream.codec_context.flags |= INTERLACED
        if rotation:
            stream.set_display_rotation(rotation)
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    planes = np.stack(list(_decoded(path)))
    planes.tofile(pictures)
    return Video(path, pictures, planes, matrix, full_range)


def _decoded(path: Path) -> list[npt.NDArray[np.uint8]]:
    """NV12 of each frame: the bytes of its planes, chroma by turns."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plain = frame.format.name in ("yuv420p", "yuvj420p")
            planar = (frame if plain else frame.reformat(format="yuv420p")).to_ndarray()
            pixels = frame.height * frame.width
            luma, u, v = np.split(planar.ravel(), [pixels, pixels * 5 // 4])
            found.append(np.concatenate([luma, np.stack([u, v], 1).ravel()]).reshape(planar.shape))
    return found
