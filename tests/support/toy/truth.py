"""What the toy says, in float64: its formulas once more, with every frame of an object's past at hand.

Nothing is overwritten here: each frame chooses anew, by its numbers, from all that ever was.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tests.support.toy.bundle import CAPACITY, MOST_POINTERS, ROWS, SIDE

Double = npt.NDArray[np.float64]
LATEST_PROMPTED = 7


@dataclass
class Features:
    fine: Double
    coarse: Double

    @classmethod
    def of(cls, frame: npt.NDArray[np.uint8]) -> Features:
        """Of a frame, BGR uint8 64 x 64 x 3."""
        planes = frame[:, :, ::-1].astype(np.float64).transpose(2, 0, 1) / 255
        return cls(pooled(planes, 4), pooled(planes, 16))


@dataclass
class Answer:
    heat: Double
    there: float
    hint: Double


@dataclass
class ToyObject:
    """One object's whole past: entries and pointers of all frames, by number."""

    capacity: int = CAPACITY
    entries: dict[int, Double] = field(default_factory=dict)
    pointers: dict[int, Double] = field(default_factory=dict)
    prompted: list[int] = field(default_factory=list)

    @property
    def anchors(self) -> list[int]:
        """Frames with a prompt that are kept: the first, and the latest seven of the others."""
        first, *others = sorted(self.prompted)
        return [first, *others[-LATEST_PROMPTED:]]

    def held(self) -> dict[int, tuple[float, float]]:
        """Memory frames and their rows."""
        rows = {}
        for frame in self.entries:
            age = sum(other >= frame for other in self.entries)
            if frame in self.anchors:
                rows[frame] = ROWS[-1]
            elif age < self.capacity:
                rows[frame] = ROWS[age - 1]
        return rows

    def ages(self, now: int) -> dict[int, int]:
        """Pointers and their ages on a frame."""
        return {
            frame: now - frame
            for frame in self.pointers
            if frame in self.anchors or now - frame < MOST_POINTERS
        }

    def mixed(self, features: Features, now: int) -> Double:
        total = sum((self.entries[frame] * np.array(row)).sum() for frame, row in self.held().items())
        total += sum((self.pointers[frame] * age).sum() for frame, age in self.ages(now).items())
        return features.coarse + np.sin(0.01 * total)

    def segment(self, features: Features, now: int) -> Answer:
        return answer(features, self.mixed(features, now))

    def remember(self, frame: int, features: Features, found: Answer, *, due: bool = True) -> None:
        self.pointers[frame] = found.hint
        if due:
            second = 1 / (1 + np.exp(-pooled(found.heat[None], 4)))
            self.entries[frame] = _stored(features, found, second)

    def prompt(self, frame: int, features: Features, mask: Double, found: Answer | None = None) -> Answer:
        """Takes a mask, 64 x 64 of 0 and 1, or what clicks found and the mask that it makes."""
        given = said_of(mask, features) if found is None else found
        self.pointers[frame] = given.hint
        self.entries[frame] = _stored(features, given, pooled(mask[None], 16) + 2)
        self.prompted.append(frame)
        return given


def answer(features: Features, mixed: Double, said: float = 0.0) -> Answer:
    """What `segment` finds, and `point` with what the clicks add."""
    heat = 8 * (features.fine.mean(axis=0) - 0.5) + mixed.mean() + said
    return Answer(heat, heat.max(), mixed.mean(axis=(1, 2)) + said)


def said_of(mask: Double, features: Features) -> Answer:
    """What `label` says of a mask."""
    heat = pooled(mask[None], 4)[0] * 20 - 10
    return Answer(heat, mask.max() * 20 - 10, features.coarse.mean(axis=(1, 2)) + mask.mean())


def pooled(planes: Double, side: int) -> Double:
    """Means over squares: n x H x W to n x H / side x W / side."""
    count, height, width = planes.shape
    return planes.reshape(count, height // side, side, width // side, side).mean(axis=(2, 4))


def _stored(features: Features, found: Answer, second: Double) -> Double:
    first = features.coarse.mean(axis=0).reshape(-1) + 0.1 * found.there
    return np.stack([first, second.reshape(-1)], axis=1)


def noise(frames: int, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Frames of the toy's size: squares of random colours, brighter and darker from frame to frame."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (frames, 16, 16, 3), np.uint8)
    return [np.kron(each, np.ones((SIDE // 16, SIDE // 16, 1), np.uint8)) for each in small]
