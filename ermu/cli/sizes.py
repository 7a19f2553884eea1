"""Sizes on the command line."""

from __future__ import annotations

from ermu.errors import OptionError


def parse_size(text: str) -> tuple[int, int]:
    """`353x641` as (height, width).

    Raises:
        OptionError: it is not two numbers.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise OptionError(f"Cannot read the size '{text}'.", expected="HEIGHTxWIDTH, for example 353x641")
    return int(height), int(width)


def parse_scales(text: str) -> tuple[float, ...]:
    """`1.0,1.3` as numbers.

    Raises:
        OptionError: it is something else, or names a scale twice.
    """
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or len(set(scales)) != len(scales):
        raise OptionError(
            f"Cannot read the scales '{text}'.", expected="numbers that differ, such as 1.0,1.3"
        )
    return scales
