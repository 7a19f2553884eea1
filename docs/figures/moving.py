"""The moving picture of the README: a clip, its object, and the memory below it.

    python docs/figures/moving.py --davis DAVIS

Nine memory frames stand in the strip; a bar says how relevant each was when it was last scored, and the one
that leaves is red.
"""

from __future__ import annotations

import cv2
import numpy as np
from clip import Seen, arguments, follow
from PIL import Image

from ermu.runtime.images.overlay import draw_overlay

WIDTH, SLOTS, GUTTER = 640, 9, 4
_INK, _FAINT, _TEAL, _RED = (40, 40, 40), (225, 225, 225), (136, 150, 0), (50, 50, 220)


def picture(seen: list[Seen], number: int, relevance: dict[int, float], leaving: int | None) -> Image.Image:
    """A frame with its object drawn in, above the memory that it read."""
    frame = draw_overlay(seen[number].picture, seen[number].result.label, opacity=0.5)
    big = cv2.resize(
        frame, (WIDTH, round(WIDTH * frame.shape[0] / frame.shape[1])), interpolation=cv2.INTER_AREA
    )
    cell = (WIDTH - GUTTER * (SLOTS + 1)) // SLOTS
    height = round(cell * frame.shape[0] / frame.shape[1])
    strip = np.full((height + 30, WIDTH, 3), 255, np.uint8)
    for slot, held in enumerate(seen[number].held or [0]):
        x, y = GUTTER + slot * (cell + GUTTER), GUTTER
        small = draw_overlay(seen[held].picture, seen[held].result.label, opacity=0.5)
        strip[y : y + height, x : x + cell] = cv2.resize(small, (cell, height), interpolation=cv2.INTER_AREA)
        colour = _RED if held == leaving else _TEAL
        cv2.rectangle(strip, (x, y + height + 3), (x + cell - 1, y + height + 8), _FAINT, -1)
        filled = round((cell - 1) * min(1.0, relevance.get(held, 0.0) * 3))
        cv2.rectangle(strip, (x, y + height + 3), (x + filled, y + height + 8), colour, -1)
        if held == leaving:
            cv2.rectangle(strip, (x, y), (x + cell - 1, y + height - 1), _RED, 2)
        name = f"{held}"
        cv2.putText(strip, name, (x, y + height + 22), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    return Image.fromarray(np.vstack([big, strip])[..., ::-1])


def main() -> None:
    """Writes `moving.webp` beside this file."""
    options = arguments(__doc__)
    seen = follow(options.davis)
    relevance: dict[int, float] = {}
    pictures = []
    for number, at in enumerate(seen):
        update = at.result.memory[0]
        if update.decision.relevance_mean is not None:
            relevance = dict(zip(at.held, update.decision.relevance_mean.tolist(), strict=True))
        pictures.append(picture(seen, number, relevance, update.evicted))
    stays = [80] * len(pictures)
    stays[0] = stays[-1] = 900
    out = options.out / "moving.webp"
    pictures[0].save(
        out, save_all=True, append_images=pictures[1:], duration=stays, loop=0, quality=60, method=6
    )
    print(f"{out}: {len(pictures)} frames, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
