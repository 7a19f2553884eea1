"""What a folder says of how frames are made into the network's input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ermu.errors import CheckpointError
from ermu.export.network.normalisation import IMAGENET, Normalisation

# In the order in which transformers asks them; in the first, what is meant lies one deeper.
_FILES = (
    ("processor_config.json", "video_processor"),
    ("video_preprocessor_config.json", None),
    ("preprocessor_config.json", None),
)
_BILINEAR = 2  # as Pillow counts
_BYTES = 1 / 255


def described_by(folder: Path) -> Path | None:
    """The file of a folder that says how frames are preprocessed, if there is one."""
    found = _described(folder)
    return found and found[0]


def read_normalisation(folder: Path, side: int) -> Normalisation:
    """A folder's; ImageNet's constants where it does not say them, as in transformers.

    Args:
        folder: As transformers publishes one.
        side: Of the square that config.json names, in pixels.

    Raises:
        CheckpointError: its file is damaged, or it asks for another preparation than that: resized to the
            square by bilinear interpolation, scaled to 0..1, normalised.
    """
    found = _described(folder)
    if found is None:
        return IMAGENET
    file, said = found
    for name in ("do_resize", "do_rescale", "do_normalize"):
        _require(file, name, said.get(name, True), (True, None), "true")
    for name in ("do_pad", "do_center_crop"):
        _require(file, name, said.get(name), (False, None), "false")
    scale, size = said.get("rescale_factor") or _BYTES, said.get("size") or side
    close = isinstance(scale, int | float) and abs(scale - _BYTES) < 1e-6
    _require(file, "rescale_factor", scale, (scale if close else _BYTES,), "1/255")
    _require(file, "resample", said.get("resample"), (_BILINEAR, None), f"{_BILINEAR}, bilinear")
    sides = set(size.values()) - {None} if isinstance(size, dict) else {size}
    square = f"{side} x {side}, as config.json has it"
    _require(file, "size", size, (size if sides == {side} else None,), square)
    mean = _channels(file, "image_mean", said.get("image_mean"), IMAGENET.mean)
    return Normalisation(mean, _channels(file, "image_std", said.get("image_std"), IMAGENET.spread))


def _described(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    for name, inside in _FILES:
        file = folder / name
        if not file.is_file():
            continue
        try:
            content = json.loads(file.read_text("utf-8"))
            said = content.get(inside) if inside else dict(content.items())
            if said is not None:
                return file, said
        except (ValueError, OSError, AttributeError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}.", fix="download it again") from error
    return None


def _channels(file: Path, name: str, found: Any, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Three numbers, those of a spread above 0."""
    if found is None:
        return usual
    numbers = isinstance(found, list) and len(found) == 3 and all(isinstance(x, int | float) for x in found)
    if not numbers or (name == "image_std" and min(found) <= 0):
        raise _unsupported(file, name, found, "three numbers, one a channel")
    return tuple(float(x) for x in found)


def _require(file: Path, name: str, found: Any, wanted: tuple[Any, ...], expected: str) -> None:
    if found not in wanted:
        raise _unsupported(file, name, found, expected)


def _unsupported(file: Path, name: str, found: Any, expected: str) -> CheckpointError:
    return CheckpointError(f"{file}: {name} is {json.dumps(found)}.", expected=expected)
