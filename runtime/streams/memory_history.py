"""The recent history of a stream's memory: which frames are held, how they score, what left and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ermu.runtime.memory.update import MemoryUpdate

_KEPT = 200  # evictions a group remembers


@dataclass(frozen=True)
class Scored:
    """A memory frame as the policy saw it last; None where it was not scored."""

    frame: int
    relevance: float | None = None
    relevance_mean: float | None = None
    redundancy: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class EvictionRecord:
    """A frame that left a bank.

    Attributes:
        at: Frame number that took its place.
        scored: The frame that left, with the figures that decided.
        reason: In words.
    """

    at: int
    scored: Scored
    reason: str


@dataclass
class GroupHistory:
    """One group's memory."""

    group: int
    ids: list[int]
    held: list[Scored] = field(default_factory=list)
    evictions: deque[EvictionRecord] = field(default_factory=lambda: deque(maxlen=_KEPT))


class MemoryHistory:
    """Takes every frame's memory updates; used by one thread, read through `as_json` snapshots."""

    def __init__(self) -> None:
        self._groups: dict[int, GroupHistory] = {}
        self.evictions = 0

    @property
    def groups(self) -> list[GroupHistory]:
        """Every group's."""
        return list(self._groups.values())

    def resume(self, groups: Iterable[GroupHistory], evictions: int) -> None:
        """Goes on with the history that another stream had."""
        self._groups, self.evictions = {group.group: group for group in groups}, evictions

    def observe(self, frame: int, memory: list[MemoryUpdate], policy: str) -> None:
        """Takes a frame's updates in; groups that are gone are forgotten."""
        self._groups = {update.group: self._updated(update, frame, policy) for update in memory}

    def as_json(self) -> list[dict[str, Any]]:
        """Every group, ready for JSON."""
        return [
            {
                "group": group.group,
                "ids": group.ids,
                "held": [vars(scored) for scored in group.held],
                "evictions": [
                    {"at": record.at, **vars(record.scored), "reason": record.reason}
                    for record in list(group.evictions)
                ],
            }
            for group in list(self._groups.values())
        ]

    def _updated(self, update: MemoryUpdate, frame: int, policy: str) -> GroupHistory:
        before = self._groups.get(update.group) or GroupHistory(update.group, update.ids)
        scored = {entry.frame: entry for entry in before.held}
        scored |= {entry.frame: entry for entry in _scored(update, frame)}
        if update.evicted is not None:
            gone = scored.get(update.evicted, Scored(update.evicted))
            self.evictions += 1
            held_before = sorted({*update.frames, update.evicted} - {frame})
            reason = _reason(gone, policy, held_before)
            before.evictions.append(EvictionRecord(frame, gone, reason))
        corrected = {entry.frame for entry in before.held} - {*update.frames, update.evicted}
        for number in sorted(corrected):
            self.evictions += 1
            before.evictions.append(
                EvictionRecord(frame, scored[number], "an object was corrected, or that undone")
            )
        held = [scored.get(number, Scored(number)) for number in update.frames]
        return GroupHistory(update.group, update.ids, held, before.evictions)


def _scored(update: MemoryUpdate, frame: int) -> list[Scored]:
    """The frames held before the append, with the policy's figures."""
    decision = update.decision
    if decision.relevance is None:
        return []
    evicted = [] if update.evicted is None else [update.evicted]
    frames = sorted({*update.frames, *evicted} - {frame})
    vectors = decision.relevance, decision.relevance_mean, decision.redundancy, decision.scores
    return [Scored(number, *(_entry(v, i) for v in vectors)) for i, number in enumerate(frames)]


def _entry(vector: Any, index: int) -> float | None:
    return None if vector is None else round(float(vector[index]), 6)


def _reason(gone: Scored, policy: str, held: list[int]) -> str:
    """Why a frame of those held left, from whatever figures the policy has given."""
    if gone.score is None:
        oldest = len(held) > 1 and gone.frame == held[1]
        return f"{policy}: " + (f"the oldest of {len(held)} after the first" if oldest else "its choice")
    figures = {"relevance": gone.relevance_mean, "redundancy": gone.redundancy}
    parts = [f"lowest score of {len(held)}, {gone.score:.3f}"]
    parts += [f"{name} {value:.3f}" for name, value in figures.items() if value is not None]
    return f"{policy}: " + ", ".join(parts)
