"""What the pixels of a label map's file mean: ids, or a refusal that says what they are instead."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile

from ermu.errors import PromptError
from ermu.runtime.images.palette import ids_of_colours
from ermu.types import LabelMap

_LOSSY = ("JPEG", "JPEG2000", "MPO", "AVIF")
_LOSSY_IN_TIFF = ("jpeg", "tiff_jpeg", "webp", "jpeg2000")
_FEWEST_BLENDED = 3
_FEWEST_SCATTERED = 8
_FEW_ALIKE = 3  # of a pixel's eight neighbours, in the mean
_WIDE = 8  # pixels of an id's box for each of its own
_AS_IDS = "8-bit ids: 1 to 254, 0 for background, 255 for ignore"


def label_of(image: Image.Image, name: str) -> LabelMap:
    """The ids that an open image holds.

    Args:
        image: Palette, grey, or in the colours of the DAVIS palette.
        name: Of the file, for messages.

    Returns:
        uint8 H x W.

    Raises:
        PromptError: its values are no ids, or were mixed along edges.
    """
    if _is_lossy(image):
        raise _lossy(image, name)
    values = _channel(image, name)
    _check_range(values, name)
    label: LabelMap = values.astype(np.uint8)
    _check_edges(label, name)
    return label


def _is_lossy(image: Image.Image) -> bool:
    if image.format == "TIFF":
        return image.info.get("compression") in _LOSSY_IN_TIFF
    if image.format == "WEBP" and isinstance(image, ImageFile) and image.fp is not None:
        image.fp.seek(0)
        return b"VP8L" not in image.fp.read()  # the chunk of what was compressed without loss
    return image.format in _LOSSY


def _lossy(image: Image.Image, name: str) -> PromptError:
    ids = len(np.unique(np.asarray(image.convert("L"))))
    return PromptError(
        f"{name} is a {_kind(image)}: compression has changed its ids, it holds {ids} different values.",
        expected="a palette or single-channel PNG, which keeps every value",
        fix="save the mask as PNG from where it was made; one that has been a JPEG cannot be mended",
    )


def _kind(image: Image.Image) -> str:
    """A file's format, with the compression inside where that is another's."""
    inside = image.info.get("compression") if image.format == "TIFF" else None
    return f"{image.format} ({inside})" if inside else f"{image.format}"


def _channel(image: Image.Image, name: str) -> npt.NDArray[Any]:
    """The one channel with the ids, whatever the image's mode."""
    if image.mode in ("RGBA", "LA", "PA"):
        if image.getchannel("A").getextrema()[0] != 255:
            raise PromptError(
                f"{name} is partly transparent ({image.mode}).",
                expected="a palette or single-channel PNG whose pixel values are object ids",
                fix="save it without transparency, the background as 0",
            )
        image = image.convert(image.mode[:-1])
    if image.mode == "RGB":
        return _from_colours(np.asarray(image), name)
    values = np.asarray(image)
    if values.ndim != 2:
        raise _coloured(f"{name} is a colour image ({image.mode}).")
    return values


def _from_colours(picture: npt.NDArray[np.uint8], name: str) -> npt.NDArray[Any]:
    """Ids out of three channels: the palette's colours, or one value three times."""
    label, strange = ids_of_colours(picture)
    grey = picture[..., 0]
    if (picture == grey[..., None]).all():
        if strange == 0 and grey.any():
            shown = ", ".join(f"{value} or {own}" for value, own in _both_readings(grey, label))
            raise PromptError(
                f"{name} is grey in three channels, in colours of the palette: are its ids {shown}?",
                expected="one channel, whose values are the ids",
                fix=f"cv2.imwrite(path, cv2.imread(path)[:, :, 0]), where the values of {name} are ids",
            )
        return grey
    if strange:
        raise _coloured(
            f"{name} is a colour image (RGB), {strange} of whose colours are not in the DAVIS palette."
        )
    return label


def _both_readings(grey: npt.NDArray[np.uint8], label: LabelMap) -> list[tuple[int, int]]:
    values = [int(value) for value in np.unique(grey) if value]
    return [(value, int(label[grey == value][0])) for value in values]


def _coloured(problem: str) -> PromptError:
    return PromptError(
        problem,
        expected="a palette or single-channel PNG whose pixel values are object ids, or the DAVIS colours",
        fix="save it as an indexed PNG (DAVIS style) or as 8-bit grey with the ids as values",
    )


def _check_range(values: npt.NDArray[Any], name: str) -> None:
    if values.size == 0 or values.dtype in (np.uint8, np.bool_):
        return
    lowest, highest = values.min(), values.max()
    if np.issubdtype(values.dtype, np.floating):
        raise PromptError(
            f"{name} holds floating-point values from {lowest:g} to {highest:g}.",
            expected=_AS_IDS,
            fix="turn each value into its object's id first: (mask > 0.5).astype(np.uint8) for one object",
        )
    if lowest < 0:
        raise PromptError(
            f"{name} holds the id {lowest}.", expected=_AS_IDS, fix="write 255 where pixels shall be ignored"
        )
    if highest > 255:
        count = len(np.unique(values))
        raise PromptError(
            f"{name} holds the id {highest}: {count} values in {values.dtype.itemsize * 8} bits.",
            expected=_AS_IDS,
            fix="number its objects anew: np.unique(mask, return_inverse=True)[1]"
            ".reshape(mask.shape).astype(np.uint8)",
        )


def _check_edges(label: LabelMap, name: str) -> None:
    """Refuses ids that no one drew: what anti-aliasing, smooth scaling and JPEG leave along edges."""
    pixels = np.bincount(label.ravel(), minlength=256)
    ids = [int(i) for i in np.flatnonzero(pixels) if i]
    if len(ids) < _FEWEST_BLENDED:
        return
    mixed = max(
        (found for found in (_blended(label, ids), _scattered(label, ids)) if 2 * len(found) >= len(ids)),
        key=len,
        default=[],
    )
    if not mixed:
        return
    shown = ", ".join(f"{i} on {pixels[i]}" for i in mixed[:4])
    raise PromptError(
        f"{name} has {len(ids)} ids, {len(mixed)} of them on a few pixels along edges only "
        f"({shown} pixels): its edges are mixed.",
        expected="every pixel the id of one object, as it was drawn",
        fix="draw it without anti-aliasing, scale it with nearest-neighbour interpolation "
        "(cv2.INTER_NEAREST), and keep it as PNG throughout",
    )


def _blended(label: LabelMap, ids: list[int]) -> list[int]:
    """Ids on lines between a lower and a higher one; none where they are few, or nothing is solid."""
    square = np.ones((3, 3), np.uint8)
    lower, higher = cv2.erode(label, square), cv2.dilate(label, square)
    pixels = np.bincount(label.ravel(), minlength=256)
    inside = np.bincount(label[lower == higher], minlength=256)
    between = np.bincount(label[(lower < label) & (label < higher)], minlength=256)
    found = [i for i in ids if not inside[i] and between[i] >= 0.5 * pixels[i]]
    return found if len(found) >= _FEWEST_BLENDED and inside[1:].any() else []


def _scattered(label: LabelMap, ids: list[int]) -> list[int]:
    """Ids on single pixels here and there; none where they are few. A small object is in one place."""
    if len(ids) < _FEWEST_SCATTERED:
        return []
    pixels, alike = np.bincount(label.ravel(), minlength=256), np.zeros(256)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        left = max(0, -right)
        one = label[: label.shape[0] - down, left : label.shape[1] - max(0, right)]
        other = label[down:, left + right : label.shape[1] + min(0, right)]
        alike += 2 * np.bincount(one[one == other], minlength=256)
    found = [i for i in ids if pixels[i] > 1 and alike[i] < _FEW_ALIKE * pixels[i]]
    found = [i for i in found if _box_area(label == i) > _WIDE * pixels[i]]
    return found if len(found) >= _FEWEST_SCATTERED else []


def _box_area(mask: npt.NDArray[np.bool_]) -> int:
    _, _, width, height = cv2.boundingRect(mask.view(np.uint8))
    return width * height
