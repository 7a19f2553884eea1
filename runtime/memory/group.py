"""A group: up to ten objects that began on the same frame, with memories of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.attention import KeyValueCache
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Kind, Role
from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.memory.bank import BankContents, MemoryBank
from ermu.runtime.memory.evidence import BankEvidence
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.policy import Decision, EvictionPolicy
from ermu.runtime.memory.propagation import open_propagation
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.memory.workspace import Workspace, allocate, having
from ermu.types import Array

Tensors = Mapping[str, DeviceTensor]


@dataclass(frozen=True)
class GroupMemory:
    """All that a group remembers at a time; the group goes on with others, so nothing changes it."""

    bank: MemoryBank
    previous: dict[str, DeviceTensor]
    policy: EvictionPolicy
    trusted: frozenset[int]
    last_append: float


@dataclass(frozen=True)
class SavedGroup:
    """A group on the host: another one goes on with it as if it had never stopped.

    Attributes:
        number: Its own.
        channel_ids: Of its ten channels, the caller's ids; None for a channel that no object has, or no more.
        began: Frame of its first memory.
        untouched: Whether no other has come since.
        trusted: Frames that somebody has labelled.
        last_append: When a frame went into the bank, in the units of the gap.
        policy: State of its policy.
        tracks_redundancy: Whether its bank does.
        previous: The previous frame's entry, by name.
        bank: Makes what the bank holds, in any thread.
    """

    number: int
    channel_ids: list[int | None]
    began: int
    untouched: bool
    trusted: list[int]
    last_append: float
    policy: dict[str, Any]
    tracks_redundancy: bool
    previous: dict[str, Array]
    bank: Callable[[], BankContents]


class ObjectGroup:
    """Reads and writes the memories of its objects; features and workspace are shared with other groups.

    Args:
        backend: Runs the graphs.
        workspace: Of all groups.
        number: Of the group.
        ids: The caller's ids, at most ten; object i has identity channel i + 1.
        policy: Fresh, for this group alone.
        options: Of its memory.
    """

    def __init__(
        self,
        backend: Backend,
        workspace: Workspace,
        number: int,
        ids: Sequence[int],
        policy: EvictionPolicy,
        options: MemoryOptions,
    ) -> None:
        self._backend, self._workspace = backend, workspace
        self.number, self._policy, self._options = number, policy, options
        self.channel_ids: list[int | None] = [*ids, *[None] * (GROUP_SIZE - len(ids))]
        plan = self._plan = backend.group_plan
        named = (*plan.propagation, plan.memorize, plan.reference)
        graphs = [backend.graphs[name] for name in named]
        device, symbols = backend.device, workspace.symbols
        self._carry = allocate(device, having(graphs, Role.CARRY), symbols)
        # Two entries take turns: the previous frame's is read while this frame's is written.
        self._entry = having(graphs, Role.ENTRY)
        self._previous, self._current = (allocate(device, self._entry, symbols) for _ in range(2))
        known = backend.bundle.manifest.graphs.values()
        self._previous_sources = {t.name: str(t.source) for t in having(known, Role.PREVIOUS)}
        self._propagation = open_propagation(backend, workspace)
        self.bank = self._new_bank()
        self.trusted: frozenset[int] = frozenset()  # frames that somebody has labelled
        self._last_append = 0.0
        # Frame of the first memory, and whether no other has come since.
        self.began, self.untouched = -1, False

    @property
    def ids(self) -> list[int]:
        """The caller's ids of the objects still followed."""
        return [i for i in self.channel_ids if i is not None]

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Channels in use, background first: 11."""
        return np.array([True, *(i is not None or self._options.all_identities for i in self.channel_ids)])

    @property
    def memory(self) -> GroupMemory:
        """All that it remembers; the group goes on with it unless it is corrected."""
        return GroupMemory(self.bank, self._previous, self._policy, self.trusted, self._last_append)

    def saved(self) -> SavedGroup:
        """All of it; corrections that could be undone are not.

        Raises:
            StateError: its policy cannot be saved.
        """
        download = self._backend.device.download
        return SavedGroup(
            self.number,
            list(self.channel_ids),
            self.began,
            self.untouched,
            sorted(self.trusted),
            self._last_append,
            self._policy.state(),
            self.bank.tracks_redundancy,
            {name: download(tensor) for name, tensor in self._previous.items()},
            self.bank.copied(),
        )

    def resume(self, saved: SavedGroup) -> None:
        """Goes on where another group was; this one is new, with a policy of the same name.

        Raises:
            BackendError: there is not enough memory.
        """
        self.channel_ids = list(saved.channel_ids)
        self.began, self.untouched = saved.began, saved.untouched
        self.trusted, self._last_append = frozenset(saved.trusted), saved.last_append
        self._policy.resume(saved.policy)
        self.bank.fill(saved.bank())
        if saved.tracks_redundancy:
            self.bank.track_redundancy(self._backend.kernels.scoring)
        for name, tensor in self._previous.items():
            self._backend.device.upload(saved.previous[name], tensor)

    def move_clock(self, seconds: float) -> None:
        """Moves the time of its latest append: the stream's axis has begun anew."""
        self._last_append += seconds

    def remove(self, object_id: int) -> None:
        """Silences an object's channel; it is not used again."""
        self.channel_ids[self.channel_ids.index(object_id)] = None

    def switch_policy(self, policy: EvictionPolicy) -> None:
        """Changes the policy; what the old one had gathered is forgotten."""
        self._policy = policy
        if policy.needs_redundancy:
            self.bank.track_redundancy(self._backend.kernels.scoring)

    def begin(self, frame: int, clock: float, features: Tensors) -> None:
        """Takes a labelled frame, whose label's tokens are in the workspace, as the permanent first memory.

        Args:
            frame: Its number.
            clock: When it was, in the units of the gap.
            features: Of the frame.
        """
        self._backend.run(self._plan.reference, {**features, **self._workspace.tensors, **self._previous})
        self.bank.write(0, frame, self._previous)
        self.trusted = frozenset([frame])
        self._last_append = clock
        self.began, self.untouched = frame, True

    def labelled(self, features: Tensors) -> dict[str, DeviceTensor]:
        """The entry of a frame whose label's tokens are in the workspace; nothing is remembered yet.

        Raises:
            BackendError: there is not enough memory.
        """
        entry = allocate(self._backend.device, self._entry, self._workspace.symbols)
        self._backend.run(self._plan.reference, {**features, **self._workspace.tensors, **entry})
        return entry

    def begin_elsewhere(self, clock: float, features: Tensors) -> None:
        """Goes on with its bank in another stream, whose first frame has just come.

        What was where in a previous frame says nothing there: its place takes this frame, with the label's
        tokens that are in the workspace.
        """
        self._previous, self._last_append = self.labelled(features), clock

    def correct(
        self, frame: int, clock: float, entry: dict[str, DeviceTensor], wrong: Collection[int]
    ) -> GroupMemory:
        """Remembers a corrected frame in place of wrong ones.

        It is the previous frame's memory and goes into the bank. Where that is full all the same, the newest
        frame that nobody has labelled leaves, as the one that is most like it.

        Args:
            frame: Its number.
            clock: When the latest frame was, in the units of the gap.
            entry: Of the corrected frame.
            wrong: Frames that leave the bank.

        Returns:
            The memory as it was, for `restore`.

        Raises:
            BackendError: there is not enough memory; the group's is as it was.
        """
        before, numbers = self.memory, self.bank.slot_frames
        kept = [slot for slot, held in enumerate(numbers) if held != frame and held not in wrong]
        if self._policy.bounded and len(kept) >= self._options.capacity:
            kept.remove(max(kept, key=lambda slot: (numbers[slot] not in self.trusted, numbers[slot])))
        scoring = self._backend.kernels.scoring if self.bank.tracks_redundancy else None
        bank = self.bank.sharing(kept, scoring=scoring)
        bank.write(len(bank), frame, entry)
        self.bank, self._previous, self._policy = bank, entry, deepcopy(self._policy)
        self.trusted = self.trusted & set(bank.slot_frames) | {frame}
        self._last_append, self.untouched = clock, False
        return before

    def restore(self, memory: GroupMemory) -> None:
        """Remembers again what it did before a correction."""
        self.bank, self._previous, self._policy = memory.bank, memory.previous, memory.policy
        self.trusted, self._last_append = memory.trusted, memory.last_append

    def propagate(self, features: Tensors) -> None:
        """Reads both memories for a frame: leaves z in the workspace, and what `memorize` will need."""
        self.untouched = False
        self._propagate(features, self.bank, self._previous)

    def recall(self, bank: MemoryBank, previous: Tensors, features: Tensors) -> None:
        """As `propagate`, from other memories than the group's."""
        self._propagate(features, bank, previous)

    def memorize(self) -> None:
        """Completes the frame's entry with the tokens in the workspace, and makes it the previous one."""
        self._backend.run(self._plan.memorize, {**self._workspace.tensors, **self._carry, **self._current})
        self._previous, self._current = self._current, self._previous

    def due(self, clock: float, interval: float) -> bool:
        """Whether the frame at `clock` belongs in the memory bank."""
        return clock - self._last_append >= interval - 1e-6

    def append(self, frame: int, clock: float, logits: DeviceTensor) -> MemoryUpdate:
        """Puts the latest entry into the bank, over the frame that the policy gives up."""
        evidence = BankEvidence(
            self._backend, self._workspace, self.bank, self._propagation, logits, self.active
        )
        full = self._policy.bounded and len(self.bank) >= self._options.capacity
        decision = self._policy.decide(evidence, full=full)
        slot = len(self.bank) if decision.slot is None else decision.slot
        evicted = None if decision.slot is None else self.bank.slot_frames[slot]
        self.bank.write(slot, frame, self._previous)
        self._last_append = clock
        return MemoryUpdate(self.number, self.ids, self.bank.frames, evicted, decision)

    def unchanged(self) -> MemoryUpdate:
        """The bank as it is, on a frame that was not appended."""
        return MemoryUpdate(self.number, self.ids, self.bank.frames, None, Decision())

    def _propagate(self, features: Tensors, bank: MemoryBank, entry: Tensors) -> None:
        previous = {name: entry[source] for name, source in self._previous_sources.items()}
        shared = {**features, **self._workspace.tensors}
        self._propagation.run({**shared, **previous, **self._carry, **self._current}, bank)

    def _new_bank(self) -> MemoryBank:
        backend, symbols = self._backend, self._workspace.symbols
        tensors = memory_tensors(backend.bundle.manifest)
        return MemoryBank(
            backend.device,
            tensors,
            symbols,
            backend.bundle.temporal_rows(),
            self._options.capacity,
            caches=self._caches(tensors) if backend.external_attention else (),
            scoring=backend.kernels.scoring if self._policy.needs_redundancy else None,
        )

    def _caches(self, tensors: Sequence[TensorInfo]) -> list[KeyValueCache]:
        """A key-value cache for each block."""
        backend, attention = self._backend, self._backend.kernels.attention
        assert attention is not None
        network, tokens = backend.bundle.group_manifest.network, prod(self._workspace.grids.tokens)
        widths = {(t.block, t.kind): int(t.shape[-1]) for t in tensors}
        return [
            attention.cache(
                self._options.capacity,
                tokens,
                network.heads,
                widths[block, Kind.KEY],
                widths[block, Kind.VALUE],
                precision=backend.attention_precision,
            )
            for block in range(network.blocks)
        ]


def memory_tensors(manifest: Manifest) -> list[TensorInfo]:
    """What a bank holds, whichever plan reads it: the tensors that the plan `whole` reads it by."""
    return having(manifest.graphs.values(), Role.MEMORY)
