"""The picture of real footage: what the demo network made of four sequences, the last of which it lost.

    python docs/figures/footage.py --davis DAVIS

Writes `footage.webp` beside this file. Each row begins with the label map that was given.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from clip import CREDIT, arguments, read
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ermu import Segmenter
from ermu.runtime.images.overlay import draw_overlay
from ermu.types import LabelMap

KEPT, LOST = ("dog", "soapbox", "horsejump-high"), "drift-straight"
SHOWN = (0.0, 1 / 3, 2 / 3, 1.0)  # of a sequence
_RED = "#d6403a"
_COLOUR = 3  # the object is drawn in object 3's: that of the first is too near dogs and red cars


def label_maps(pictures: list[np.ndarray], first: LabelMap) -> list[LabelMap]:
    """What the demo bundle makes of a sequence, with its own defaults."""
    with Segmenter("demo") as segmenter:
        found = [segmenter.start(pictures[0], first).label]
        return [*found, *(segmenter.step(picture).label for picture in pictures[1:])]


def figure(davis: Path) -> Figure:
    """A row a sequence: the frame that was given, and three that were found."""
    rows = (*KEPT, LOST)
    drawn, axes = plt.subplots(len(rows), len(SHOWN), figsize=(9, 1.44 * len(rows)), layout="constrained")
    for row, sequence in zip(axes, rows, strict=True):
        pictures, first = read(davis, sequence)
        found = label_maps(pictures, first)
        for cell, share in zip(row, SHOWN, strict=True):
            number = round(share * (len(pictures) - 1))
            overlay = draw_overlay(pictures[number], found[number] * _COLOUR, opacity=0.5)
            cell.imshow(cv2.resize(overlay, (427, 240), interpolation=cv2.INTER_AREA)[..., ::-1])
            cell.set_axis_off()
            said = f"{sequence}, frame {number}" + ("" if number else ", given")
            lost = sequence == LOST and number > 0
            cell.set_title(said, fontsize=8, pad=2, color=_RED if lost else "black")
    drawn.supxlabel(CREDIT, x=0.995, ha="right", fontsize=7, color="#606468")
    return drawn


def main() -> None:
    """Writes `footage.webp`."""
    options = arguments(__doc__)
    out = options.out / "footage.webp"
    figure(options.davis).savefig(out, dpi=130, pil_kwargs={"quality": 70, "method": 6})
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
