"""The published network's results on a procedural clip, read from tests/golden."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORKS = ("r50_aotl", "r50_deaotl", "aott", "deaott")
LONG_CLIPS = ("r50_aotl_long", "r50_deaotl_long")
# As parameters of a test for which they are exported, a minute each: the small DeAOT shows little more.
EXPORTED = [*NETWORKS[:3], pytest.param("deaott", marks=pytest.mark.long)]
SMALL = EXPORTED[2:]
ONLY_LONG = [pytest.param(name, marks=pytest.mark.long) for name in LONG_CLIPS]  # as parameters of a test


@dataclass(frozen=True)
class GoldenClip:
    """One golden file, see shared/README.md.

    Attributes:
        frames: BGR uint8 t x 180 x 320 x 3.
        label: uint8 180 x 320, the first frame's.
        masks: uint8, label maps of frames 1 on.
        logits: {frame: 11 x h4 x w4}.
        appends: One record for each memory append.
        long_edge: By which the size rule gives the golden input size.
    """

    name: str
    network: str
    seed: int
    capacity: int
    gap: int
    long_edge: int
    frames: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    logits: dict[int, npt.NDArray[np.float32]]
    appends: list[GoldenAppend]


@dataclass(frozen=True)
class GoldenAppend:
    """What the published network did at one memory append; vectors are None where it did not score."""

    memory_frames: list[int]
    dropped: list[int]
    relevance_mean: list[float] | None
    scores: list[float] | None


@cache
def load_golden(name: str) -> GoldenClip:
    """A golden clip by name, one of `NETWORKS` and `LONG_CLIPS`."""
    data = _npz(name)
    long = name.endswith("_long")
    scene = data if "frames" in data else _npz("r50_aotl_long" if long else "r50_aotl")
    lists = [json.loads(str(data[key])) for key in ("memory_frames", "dropped", "relevance_ema", "scores")]
    masks = data["masks"]
    shown = data["logit_frames"].tolist() if long else range(1, len(masks) + 1)
    logits = dict(zip(shown, data["logits"], strict=True))
    if "logits0" in data:
        logits[0] = data["logits0"][0]
    return GoldenClip(
        name=name,
        network=name.removesuffix("_long"),
        seed=int(data["seed"]),
        capacity=int(data["capacity"]),
        gap=int(data["gap"]),
        long_edge=1040 if long else 288,
        frames=np.ascontiguousarray(scene["frames"][..., ::-1]),
        label=scene["label"],
        masks=masks,
        logits=logits,
        appends=[GoldenAppend(*fields) for fields in zip(*lists, strict=True)],
    )


def _npz(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}
