"""Label maps: palette PNGs in and out, prompts checked, ids split into groups of ten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ermu.errors import PromptError
from ermu.runtime.files import replace_atomically
from ermu.types import LabelMap

GROUP_SIZE = 10
MAX_OBJECTS = 250  # 25 groups: a merged id must fit a byte
IGNORE = 255
_COLOUR_MODES = ("RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")


def read_label_map(path: Path) -> LabelMap:
    """Reads a label map: a palette or single-channel PNG whose values are the ids.

    Returns:
        uint8 H x W.

    Raises:
        PromptError: no such file, not an image, or a colour image.
    """
    try:
        with Image.open(path) as image:
            if image.mode in _COLOUR_MODES:
                raise PromptError(
                    f"{path} is a colour image ({image.mode}).",
                    expected="a palette or single-channel PNG whose pixel values are object ids",
                    fix="save it as an indexed PNG (DAVIS style) or as 8-bit grey with the ids as values",
                )
            values: npt.NDArray[Any] = np.asarray(image)
    except FileNotFoundError as error:
        raise PromptError(f"There is no label map at {path}.") from error
    except (UnidentifiedImageError, OSError) as error:
        raise PromptError(f"{path} cannot be read as an image: {error}", expected="a PNG") from error
    if values.max(initial=0) > IGNORE:
        raise PromptError(
            f"{path} holds the id {values.max()}.", expected="ids 1 to 254, 0 for background, 255 for ignore"
        )
    return values.astype(np.uint8)


def write_label_map(path: Path, label: LabelMap, *, software: str | None = None) -> None:
    """Writes a palette PNG with DAVIS colours, atomically.

    Args:
        path: Of the PNG.
        label: uint8 H x W.
        software: What wrote it, kept in the PNG as text.

    Raises:
        SinkError: it cannot be written.
    """
    image = Image.fromarray(label, mode=None).convert("L")
    image.putpalette(PALETTE.tobytes())
    about = PngInfo()
    if software is not None:
        about.add_text("Software", software)
    with replace_atomically(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=about)


def object_ids(label: LabelMap) -> list[int]:
    """The ids in a label map, ascending, without background and ignore."""
    return [int(i) for i in np.unique(label) if i not in (0, IGNORE)]


def check_prompt(label: LabelMap, frame_hw: tuple[int, int]) -> list[int]:
    """The prompt's ids, if it fits the frame.

    Raises:
        PromptError: another size or dtype, no object, or more objects than groups can hold.
    """
    if label.ndim == 3 and label.dtype == np.uint8:
        told = "the colours of a palette PNG" if _is_coloured(label) else "colours"
        raise PromptError(
            f"The label map is uint8 {label.shape}: {told}, not object ids.",
            expected="uint8 H x W",
            fix="read the file with ermu.read_label_map(path); cv2.imread gives its colours",
        )
    if label.ndim != 2 or label.dtype != np.uint8:
        raise PromptError(f"The label map is {label.dtype} {label.shape}.", expected="uint8 H x W")
    if label.shape != tuple(frame_hw):
        raise PromptError(
            f"The label map is {label.shape[1]}x{label.shape[0]}, the video {frame_hw[1]}x{frame_hw[0]}.",
            expected="a label map of the first frame at the video's own size",
            fix="resize it with nearest-neighbour interpolation, or pass the label map of this video",
        )
    ids = object_ids(label)
    if not ids:
        raise PromptError(
            "The label map has no object.", expected="at least one pixel with an id from 1 to 254"
        )
    if len(ids) > MAX_OBJECTS:
        raise PromptError(
            f"The label map has {len(ids)} objects.",
            expected=f"at most {MAX_OBJECTS} (25 groups of {GROUP_SIZE})",
        )
    return ids


def _is_coloured(image: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture, BGR as OpenCV reads it, has no colours but the palette's."""
    if image.shape[2] != 3:
        return False
    known = {tuple(colour[::-1]) for colour in PALETTE.tolist()}
    return {tuple(colour) for colour in np.unique(image.reshape(-1, 3), axis=0).tolist()} <= known


def in_groups(ids: Sequence[int]) -> list[list[int]]:
    """Ids in groups of ten, in order."""
    return [list(ids[i : i + GROUP_SIZE]) for i in range(0, len(ids), GROUP_SIZE)]


def to_channels(label: LabelMap, ids: Sequence[int | None], network_hw: tuple[int, int]) -> LabelMap:
    """A label map at network size with a group's internal ids.

    Args:
        label: uint8 H x W with the caller's ids.
        ids: The caller's id of each channel 1, 2, ...; None where a channel is unused.
        network_hw: Network input size; nearest (floor) reduction.
    """
    table = np.zeros(256, np.uint8)
    for channel, own in enumerate(ids, start=1):
        if own is not None:
            table[own] = channel
    table[IGNORE] = IGNORE
    return cv2.resize(table[label], network_hw[::-1], interpolation=cv2.INTER_NEAREST).astype(
        np.uint8, copy=False
    )


def _davis_palette() -> npt.NDArray[np.uint8]:
    """256 RGB colours of the PASCAL/DAVIS convention: bits of the id spread over the channels."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * bit + channel)) & 1) << (7 - bit)
    return colours.astype(np.uint8)


PALETTE = _davis_palette()
