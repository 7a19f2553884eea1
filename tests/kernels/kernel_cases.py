"""Golden scorings of the published networks and random ones to hold every implementation against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

GOLDEN = Path(__file__).parent.parent / "golden"
QUERIES = Path(__file__).parent / "golden_queries.npz"
MOMENTUM = 0.8  # share of the new relevance in the moving mean
HEADS = {"r50_aotl": 8, "r50_deaotl": 1}


@dataclass(frozen=True)
class ScoreConstants:
    """Constants of the score s = a * r + 1 / (1 + exp(b * (red - c))), `docs/spec/ermu.md`."""

    relevance_weight: float  # a
    redundancy_slope: float  # b
    redundancy_centre: float  # c


CONSTANTS = {"r50_aotl": ScoreConstants(4.0, 10.0, 0.4), "r50_deaotl": ScoreConstants(2.0, 7.0, 0.25)}


@dataclass(frozen=True)
class Event:
    """One eviction of the published system; slots are its frames from oldest to newest."""

    model: str
    number: int
    query: npt.NDArray[
        np.float32
    ]  # recorded from this project's network; `mass` says that it is the right one
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


@dataclass(frozen=True)
class Choice:
    """Which slot leaves, and why; vectors are in slot order."""

    slot: int
    relevance: npt.NDArray[np.float64]  # moving mean
    scores: npt.NDArray[np.float64]


def choose(event: Event, relevance: npt.NDArray[np.float64], redundancy: npt.NDArray[np.float64]) -> Choice:
    """Steps 2, 4 and 5 of `docs/spec/ermu.md`, to hold what kernels found against a recorded eviction."""
    constants, before = CONSTANTS[event.model], event.previous
    mean = np.where(np.isnan(before), relevance, MOMENTUM * relevance + (1 - MOMENTUM) * before)
    slope = constants.redundancy_slope * (redundancy - constants.redundancy_centre)
    scores = constants.relevance_weight * mean + 1 / (1 + np.exp(slope))
    return Choice(1 + int(np.argmin(scores[1:])), mean, scores)


def load_event(model: str, number: int) -> Event:
    with np.load(GOLDEN / f"{model}.npz") as golden, np.load(QUERIES) as queries:
        story = json.loads(str(golden[f"event{number}_json"]))
        return Event(
            model=model,
            number=number,
            query=queries[f"{model}_event{number}"],
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


@dataclass(frozen=True)
class Scoring:
    """The tensors of one scoring."""

    query: npt.NDArray[np.floating]
    keys: npt.NDArray[np.floating]
    rows: npt.NDArray[np.float32]
    heads: int


def random_scoring(
    slots: int, tokens: int, heads: int, head_channels: int, *, dtype: type = np.float32, spread: float = 1.0
) -> Scoring:
    """Normal tensors; `spread` multiplies the query, so the logits."""
    draw = np.random.default_rng([slots, tokens, heads, head_channels])
    channels = heads * head_channels
    query = spread * draw.normal(size=(tokens, channels))
    keys, rows = draw.normal(size=(slots, tokens, channels)), draw.normal(size=(slots, channels))
    return Scoring(query.astype(dtype), keys.astype(dtype), rows.astype(np.float32), heads)


def dominated_scoring() -> Scoring:
    """The keys of slot 2 point along the queries: nearly all mass is there."""
    case = random_scoring(4, 37, 2, 32)
    case.query[:] = case.query[0]
    case.keys[2] = 3 * case.query[0]
    return case


def equal_scoring() -> Scoring:
    """All keys are the same, so every slot gets 1 / T of every query."""
    case = random_scoring(5, 29, 2, 32)
    case.keys[:] = case.keys[0, 0]
    case.rows[:] = case.rows[0]
    return case


def huge_scoring() -> Scoring:
    """Logits in the thousands, of whole numbers: fp32 products are exact and only the softmax is tried."""
    draw = np.random.default_rng(7)
    query = draw.integers(-40, 41, (31, 64)).astype(np.float32)
    keys = draw.integers(-40, 41, (6, 31, 64)).astype(np.float32)
    rows = draw.integers(-9, 10, (6, 64)).astype(np.float32)
    return Scoring(query, keys, rows, 2)


def climbing_scoring() -> Scoring:
    """Logits that grow from token to token and slot to slot, past any peak seen before."""
    case = random_scoring(6, 83, 1, 32)
    height = np.linspace(0, 60, 6 * 83, dtype=np.float32).reshape(6, 83, 1)
    case.query[:] = 1.0
    case.keys[:] = height / np.sqrt(np.float32(32))
    return case


ADVERSARIAL = {
    "dominated": dominated_scoring,
    "equal": equal_scoring,
    "huge": huge_scoring,
    "climbing": climbing_scoring,
}


def random_logits(
    groups: int, height: int, width: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Smooth logits of `groups` groups with some identities unused."""
    draw = np.random.default_rng([groups, height, width])
    logits = draw.normal(size=(groups, 11, height, width)).astype(np.float32) * 3
    active = draw.random((groups, 11)) > 0.3
    active[:, 0] = True
    active[25:, 6:] = False  # 10 * g + k fits a byte
    return logits, active
