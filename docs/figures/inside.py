"""Figures of docs/how-it-works.md: what a real clip leaves in the memory, who reads it, who goes.

    python docs/figures/inside.py --davis DAVIS

Writes `scores.webp`, `masses.webp` and `evictions.webp` beside this file.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
from clip import CREDIT, Seen, arguments, follow

from ermu.plugins import Decision
from ermu.runtime.images.overlay import draw_overlay
from ermu.types import Vector

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TEAL, RED, GREY = "#00968a", "#d6403a", "#b8bdc2"
NAMES = {"ermu": "ERMU", "rmem": "RMem", "fifo": "FIFO"}


def scores(seen: list[Seen]) -> Figure:
    """The latest eviction: each frame held, its relevance and redundancy, and the score that decides.

    Bars are drawn to the tallest of their kind.
    """
    number = max(i for i, at in enumerate(seen) if at.result.memory[0].evicted is not None)
    at, update = seen[number], seen[number].result.memory[0]
    figure, axes = plt.subplots(
        2, len(at.held), figsize=(9, 2.9), height_ratios=[1, 1.8], layout="constrained"
    )
    names = ("relevance, %", "redundancy, %", "score above the lowest, thousandths")
    values = shown_values(update.decision)
    for slot, held in enumerate(at.held):
        leaves = held == update.evicted
        title = f"frame {held}" + (" leaves" if leaves else "")
        show(axes[0, slot], seen[held], title, RED if leaves else "black")
        heights = values[:, slot] / values.max(axis=1)
        bars = axes[1, slot].bar(names, heights, color=[TEAL, GREY, "#404448"])
        labels = [f"{values[0, slot]:.0f}", f"{values[1, slot]:.1f}", f"{values[2, slot]:.0f}"]
        for text in axes[1, slot].bar_label(bars, labels, fontsize=8, padding=1):
            text.set_color(RED if leaves else "black")
        axes[1, slot].set(xticks=[], ylim=(0, 1.2), yticks=[])
        axes[1, slot].spines[["top", "right", "left"]].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in (TEAL, GREY, "#404448")]
    figure.legend(handles, names, loc="outside lower left", ncols=3, fontsize=8, frameon=False)
    return credited(figure, f"Frame {number} is to be remembered, and the bank is full")


def shown_values(decision: Decision) -> Vector:
    """3 x T: relevance and redundancy in per cent, and the score in thousandths above the lowest."""
    relevance, redundancy, score = decision.relevance_mean, decision.redundancy, decision.scores
    assert relevance is not None and redundancy is not None and score is not None
    # The first frame never leaves, so that the lowest is that of the others.
    return np.stack([100 * relevance, 100 * redundancy, 1000 * (score - score[1:].min())])


def masses(seen: list[Seen], number: int) -> Figure:
    """Where a frame looks: for each frame held, what share of every place's attention went to it."""
    at = seen[number]
    figure, axes = plt.subplots(2, len(at.held), figsize=(9, 1.75), layout="constrained")
    height, width = at.picture.shape[:2]
    for slot, held in enumerate(at.held):
        show(axes[0, slot], seen[held], f"frame {held}", "black")
        mass = cv2.resize(at.masses[slot], (width, height), interpolation=cv2.INTER_LINEAR)
        heat = axes[1, slot].imshow(mass, cmap="magma", vmin=0, vmax=0.5)
        outline = (at.result.label > 0).astype(np.uint8)
        axes[1, slot].contour(outline, levels=[0.5], colors="white", linewidths=0.7)
        axes[1, slot].set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("in memory", fontsize=8)
    axes[1, 0].set_ylabel(f"frame {number}", fontsize=8)
    bar = figure.colorbar(heat, ax=axes, shrink=0.9, pad=0.01)
    bar.set_label("share of attention", fontsize=8)
    return credited(figure, f"How much each place of frame {number} looks at each memory frame")


def evictions(runs: dict[str, list[Seen]]) -> Figure:
    """A line a remembered frame, from when it came to when it left, for each policy."""
    figure, axes = plt.subplots(1, len(runs), figsize=(9, 3.1), sharey=True, layout="constrained")
    for axis, (policy, seen) in zip(axes, runs.items(), strict=True):
        last = len(seen) - 1
        left = {update.evicted: i for i, at in enumerate(seen) if (update := at.result.memory[0])}
        came = sorted({0, *(frame for at in seen for frame in at.result.memory_frames)})
        for frame in came:
            until = left.get(frame, last)
            axis.plot([frame, until], [frame, frame], color=GREY if frame in left else TEAL, lw=3)
        gone = {frame: i for frame, i in left.items() if frame is not None}
        axis.plot(list(gone.values()), list(gone), "x", color=RED, markersize=4)
        axis.set(title=NAMES[policy], xlabel="frame of the clip")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("frame in memory")
    return credited(figure, "Who stays: teal is held at the end, a cross is an eviction")


def show(axis: Axes, seen: Seen, title: str, colour: str) -> None:
    """A small picture with its object and a title."""
    axis.imshow(draw_overlay(seen.picture, seen.result.label, opacity=0.5)[..., ::-1])
    axis.set_title(title, fontsize=8, color=colour)
    axis.set(xticks=[], yticks=[])


def credited(figure: Figure, title: str) -> Figure:
    """The figure with its title and whose frames they are."""
    figure.suptitle(title, fontsize=11)
    figure.supxlabel(CREDIT, x=0.995, ha="right", fontsize=7, color="#606468")
    return figure


def save(figure: Figure, out: Path) -> None:
    """As WebP, a quarter of PNG's size."""
    figure.savefig(out, dpi=150, bbox_inches="tight", pil_kwargs={"quality": 82, "method": 6})
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    """Follows the clip with three policies and draws."""
    options = arguments(__doc__)
    runs = {policy: follow(options.davis, policy=policy) for policy in NAMES}
    seen = runs["ermu"]
    save(scores(seen), options.out / "scores.webp")
    save(masses(seen, len(seen) - 15), options.out / "masses.webp")
    save(evictions(runs), options.out / "evictions.webp")


if __name__ == "__main__":
    main()
