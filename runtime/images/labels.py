"""Label maps: palette PNGs in and out, prompts checked, ids split into groups of ten."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ermu.errors import PromptError
from ermu.runtime.files import replace_atomically, shown
from ermu.runtime.images.label_values import label_of
from ermu.runtime.images.palette import PALETTE
from ermu.types import Array, LabelMap

GROUP_SIZE = 10
MOST_GROUPS = 25  # ten wide; a merged id, 10 * g + k, must fit a byte
MAX_OBJECTS = 254  # ids; those beyond 25 groups are in a 26th
IGNORE = 255

logger = logging.getLogger("ermu.images")


def read_label_map(path: str | os.PathLike[str]) -> LabelMap:
    """Reads a label map: a palette or single-channel PNG whose values are the ids.

    A picture of three channels is read by the colours of the DAVIS palette, or as grey where they are equal.

    Returns:
        uint8 H x W.

    Raises:
        PromptError: no such file, not an image, or values that are no ids: colours, fractions, negative or
            too large numbers, ids mixed along edges by JPEG, anti-aliasing or smooth scaling.
    """
    name = shown(path)
    try:
        with Image.open(path) as image:
            return label_of(image, name)
    except FileNotFoundError as error:
        raise PromptError(f"There is no label map at {name}.") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise PromptError(f"{name} cannot be read as an image: {error}", expected="a PNG") from error


def write_label_map(path: str | os.PathLike[str], label: LabelMap, *, software: str | None = None) -> None:
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
    with replace_atomically(Path(path)) as temporary:
        image.save(temporary, format="PNG", pnginfo=about)


def object_ids(label: LabelMap) -> list[int]:
    """The ids in a label map, ascending, without background and ignore."""
    return [int(i) for i in np.unique(label) if i not in (0, IGNORE)]


def as_prompt(label: LabelMap) -> LabelMap:
    """A prompt as it is meant: where 255 alone is drawn, it is object 1, which is said in the log.

    255 means ignore beside other ids; a mask of 0 and 255 is the commonest way to draw one object.
    """
    if label.dtype != np.uint8 or not (label == IGNORE).any() or object_ids(label):
        return label
    logger.warning("The label map holds 0 and 255 alone: 255 is taken as object 1, not as pixels to ignore.")
    only: LabelMap = (label == IGNORE).astype(np.uint8)
    return only


def check_prompt(label: LabelMap, frame_hw: tuple[int, int]) -> list[int]:
    """The prompt's ids, if it fits the frame.

    Raises:
        PromptError: another size or dtype, or no object.
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
        raise _misfit(label, frame_hw)
    ids = object_ids(label)
    if not ids:
        raise PromptError(
            "The label map has no object.",
            expected="at least one pixel with an id from 1 to 254",
            fix="paint each object in an id of its own",
        )
    return ids


def check_correction(label: LabelMap, frame_hw: tuple[int, int]) -> None:
    """Refuses a label map to be remembered that is not of the frame; ids that nobody follows are background.

    Raises:
        PromptError: another size or dtype.
    """
    if label.ndim != 2 or label.dtype != np.uint8 or label.shape != tuple(frame_hw):
        raise PromptError(
            f"The label map to remember is {label.dtype} {label.shape}.", expected=f"uint8 {tuple(frame_hw)}"
        )


def _misfit(label: LabelMap, frame_hw: tuple[int, int]) -> PromptError:
    problem = f"The label map is {label.shape[1]}x{label.shape[0]}, the video {frame_hw[1]}x{frame_hw[0]}."
    expected = "a label map of the first frame at the video's own size"
    if label.shape == (frame_hw[1], frame_hw[0]):
        return PromptError(
            f"{problem} They differ by a quarter turn: frames are turned as their file says "
            "(EXIF orientation, rotation of a video), as viewers show them.",
            expected=expected,
            fix="draw it on the turned frame, or turn it too: np.rot90(label, -1) for a quarter clockwise",
        )
    fix = "resize it with nearest-neighbour interpolation, or pass the label map of this video"
    return PromptError(problem, expected=expected, fix=fix)


def _is_coloured(image: Array) -> bool:
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
