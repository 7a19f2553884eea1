"""The zoo's golden runs and manifests (`docs/spec/zoo.md`, 'Golden files'), read from tests/golden/zoo."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.golden_data import GOLDEN, load_golden

ZOO = GOLDEN / "zoo"
FRAMES = 8
_NAMES = (
    "aott",
    "aots",
    "aotb",
    "aotl",
    "r50_aotl",
    "deaott",
    "deaots",
    "deaotb",
    "deaotl",
    "r50_deaotl",
    "swinb_aotl",
    "swinb_deaotl",
)


@dataclass(frozen=True)
class ZooClip:
    """A golden run of a zoo network, all on its network size.

    Attributes:
        name: As in the zoo; ours is `zoo_<name>`.
        frames: BGR uint8 8 x 180 x 320 x 3; they are resized to `hw` as floats.
        label: uint8 H x W of frame 0.
        masks: uint8 7 x H x W, label maps of frames 1 on.
        logits: {frame: 11 x h4 x w4}.
        memory_frames: Frames in the long memory while each frame is matched.
        block0_frame1: n x C, the stream after block 0 at frame 1.
        lstt_frame7: n x Cz, the decoder's input at frame 7 less p.
        mass_frame7: n x T of block 0 at frame 7; None where one frame is held.
        weak_factor: That the decoder's adapters are multiplied by in the weak run,
        weak_masks: which has these label maps,
        weak_logits7: and these logits of frame 7.
    """

    name: str
    seed: int
    hw: tuple[int, int]
    gap: int
    default_gap: int
    frames: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    logits: dict[int, npt.NDArray[np.float32]]
    memory_frames: list[list[int]]
    block0_frame1: npt.NDArray[np.float32]
    lstt_frame7: npt.NDArray[np.float32]
    mass_frame7: npt.NDArray[np.float32] | None
    weak_factor: float
    weak_masks: npt.NDArray[np.uint8]
    weak_logits7: npt.NDArray[np.float32]


def networks(*quick: str) -> list[Any]:
    """All twelve as parameters of a test, long but for the quick ones."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.long) for name in _NAMES]


@cache
def manifests() -> dict[str, dict[str, list[int]]]:
    """Keys and shapes of each zoo network's published state dict, by its name in the zoo."""
    loaded: dict[str, dict[str, list[int]]] = json.loads((ZOO / "manifests.json").read_text())
    return loaded


@cache
def load_zoo(name: str) -> ZooClip:
    """A zoo network's golden run."""
    with np.load(ZOO / f"{name}.npz") as file:
        data = {key: file[key] for key in file.files}
    height, width = data["input_hw"].tolist()
    return ZooClip(
        name=name,
        seed=int(data["seed"]),
        hw=(height, width),
        gap=int(data["gap"]),
        default_gap=int(data["default_gap"]),
        frames=load_golden("r50_aotl").frames[:FRAMES],
        label=data["label"],
        masks=data["masks"],
        logits=dict(zip(data["logit_frames"].tolist(), data["logits"], strict=True)),
        memory_frames=json.loads(str(data["memory_frames"])),
        block0_frame1=data["block0_frame1"],
        lstt_frame7=data["lstt_frame7"],
        mass_frame7=data.get("mass_frame7"),
        weak_factor=float(data["weak_adapter_factor"]),
        weak_masks=data["weak_masks"],
        weak_logits7=data["weak_logits7"],
    )
