"""Golden scorings of the published networks and random ones to hold every implementation against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ermu.kernels import ScoreConstants

GOLDEN = Path(__file__).parent.parent / "golden"
CONSTANTS = {"r50_aotl": ScoreConstants(4.0, 10.0, 0.4), "r50_deaotl": ScoreConstants(2.0, 7.0, 0.25)}


@dataclass(frozen=True)
class Event:
    """One eviction of the published system; slots are its frames from oldest to newest."""

    model: str
    number: int
    keys: npt.NDArray[np.float32]  # with temporal rows
    mass: npt.NDArray[np.float32]
    foreground: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]  # (C, h4, w4) of the frame that was scored
    held: list[int]
    means_before: dict[int, float]
    means_after: dict[int, float]
    scores: list[float]
    dropped: int

    @property
    def previous(self) -> npt.NDArray[np.float64]:
        """Moving means before, NaN for frames not scored last time."""
        return np.array([self.means_before.get(frame, np.nan) for frame in self.held])


def load_event(model: str, number: int) -> Event:
    with np.load(GOLDEN / f"{model}.npz") as golden:
        story = json.loads(str(golden[f"event{number}_json"]))
        return Event(
            model=model,
            number=number,
            keys=golden[f"event{number}_keys"],
            mass=golden[f"event{number}_mass"],
            foreground=golden[f"event{number}_fg"],
            logits=golden["logits"][3 + number],
            held=story["frames_before"][:-1],
            means_before={int(frame): mean for frame, mean in story["ema_before"].items()},
            means_after={int(frame): mean for frame, mean in story["ema_after"].items()},
            scores=json.loads(str(golden["scores"]))[3 + number],
            dropped=story["dropped"][0],
        )
