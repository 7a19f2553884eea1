"""A cohort: groups that run as one, since they began together and hold equally many frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from math import prod

from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.attention import KeyValueCache
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Kind, Role
from ermu.runtime.memory.bank import BankLayout, MemoryBank
from ermu.runtime.memory.evidence import BankEvidence
from ermu.runtime.memory.group import GroupMemory, ObjectGroup, SavedGroup
from ermu.runtime.memory.propagation import open_propagation
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.memory.workspace import Workspace, allocate, having

Tensors = Mapping[str, DeviceTensor]


class Cohort:
    """Reads and writes the memories of G groups, one graph run for all; row g of every tensor is group g's.

    Features are shared with every other cohort; so is the workspace, in turns. What is done to one group
    alone (corrections) is done to a cohort of one, to which it leaves first.

    Args:
        backend: Runs the graphs.
        workspace: Of all cohorts.
        groups: With their banks side by side; see `opened` for new ones.

    Attributes:
        groups: As above, in order.

    Raises:
        BackendError: there is not enough memory.
    """

    def __init__(self, backend: Backend, workspace: Workspace, groups: Sequence[ObjectGroup]) -> None:
        self._backend, self._workspace, self.groups = backend, workspace, list(groups)
        plan = self._plan = backend.group_plan
        graphs = [backend.graphs[name] for name in (*plan.propagation, plan.memorize, plan.reference)]
        self._carry = self._allocated(having(graphs, Role.CARRY))
        # Two entries take turns: the previous frame's is read while this frame's is written.
        self._entry = having(graphs, Role.ENTRY)
        self._previous, self._current = (self._allocated(self._entry) for _ in range(2))
        known = backend.bundle.manifest.graphs.values()
        self._previous_sources = {t.name: str(t.source) for t in having(known, Role.PREVIOUS)}
        self._propagation = open_propagation(backend, workspace, len(groups))
        workspace.of(len(groups))

    @classmethod
    def opened(cls, backend: Backend, workspace: Workspace, groups: Sequence[ObjectGroup]) -> Cohort:
        """One of new groups, which gives them empty banks; arguments and errors as of the class."""
        cohort, manifest = cls(backend, workspace, groups), backend.bundle.manifest
        layout = BankLayout(
            backend.device,
            memory_tensors(manifest),
            workspace.symbols,
            backend.bundle.temporal_rows(),
            backend.external_attention,
        )
        capacity = groups[0].options.capacity
        slots = layout.slots(len(groups), capacity)
        for row, group in enumerate(groups):
            caches = _caches(backend, workspace, layout, capacity) if layout.cached else ()
            scoring = backend.kernels.scoring if group.policy.needs_redundancy else None
            group.bank = MemoryBank(layout, slots, row, caches=caches, scoring=scoring)
        return cohort

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def uneven(self) -> list[ObjectGroup]:
        """Groups that hold fewer frames than others here, so that they cannot run with them."""
        return [group for group in self.groups if len(group.bank) != group.bank.store.held]

    def leave(self, groups: Sequence[ObjectGroup]) -> Cohort:
        """Some groups, not all, leave for a cohort of their own, as they are.

        Raises:
            BackendError: there is not enough memory; everything is as it was.
        """
        rows = [self.groups.index(group) for group in groups]
        apart = Cohort(self._backend, self._workspace, groups)
        slots = groups[0].bank.store.copied(rows)
        for name, tensor in self._previous.items():
            for target, row in enumerate(rows):
                self._backend.device.copy(tensor.at(row), apart._previous[name].at(target))
        self.keep([group for group in self.groups if group not in groups])
        for target, group in enumerate(groups):
            group.bank.store, group.bank.row = slots, target
        apart._fit()
        return apart

    def keep(self, groups: Sequence[ObjectGroup]) -> None:
        """Forgets the others; these, in the order that they have, move together."""
        rows = [self.groups.index(group) for group in groups]
        if groups and len(rows) < len(self.groups):
            groups[0].bank.store.keep(rows)
            for target, row in enumerate(rows):
                groups[target].bank.row = target
                for tensor in self._previous.values() if target != row else ():
                    self._backend.device.copy(tensor.at(row), tensor.at(target))
        self.groups = list(groups)
        self._carry, self._previous, self._current = (
            {name: tensor.first(len(groups)) for name, tensor in held.items()}
            for held in (self._carry, self._previous, self._current)
        )
        self._fit()

    def saved(self, group: ObjectGroup) -> SavedGroup:
        """All of a group; corrections that could be undone are not.

        Raises:
            StateError: its policy cannot be saved.
        """
        row, download = self.groups.index(group), self._backend.device.download
        return SavedGroup(
            group.number,
            list(group.channel_ids),
            group.began,
            group.untouched,
            sorted(group.trusted),
            group.last_append,
            group.policy.state(),
            group.bank.tracks_redundancy,
            {name: download(tensor.at(row)) for name, tensor in self._previous.items()},
            group.bank.copied(),
        )

    def resume(self, group: ObjectGroup, saved: SavedGroup) -> None:
        """A group, which is new, with a policy of the same name, goes on where another was.

        Raises:
            BackendError: there is not enough memory.
        """
        row = self.groups.index(group)
        group.channel_ids = list(saved.channel_ids)
        group.began, group.untouched = saved.began, saved.untouched
        group.trusted, group.last_append = frozenset(saved.trusted), saved.last_append
        group.policy.resume(saved.policy)
        group.bank.fill(saved.bank())
        if saved.tracks_redundancy:
            group.bank.track_redundancy(self._backend.kernels.scoring)
        for name, tensor in self._previous.items():
            self._backend.device.upload(saved.previous[name], tensor.at(row))

    def begin(self, frame: int, clock: float, features: Tensors) -> None:
        """Takes a labelled frame, whose label's tokens are in the workspace, as the permanent first memory.

        Args:
            frame: Its number.
            clock: When it was, in the units of the gap.
            features: Of the frame.
        """
        self._refer(features, self._previous)
        for row, group in enumerate(self.groups):
            group.bank.write(0, frame, _row(self._previous, row))
            group.trusted = frozenset([frame])
            group.last_append = clock
            group.began, group.untouched = frame, True

    def labelled(self, features: Tensors) -> dict[str, DeviceTensor]:
        """The entries of a frame whose label's tokens are in the workspace; nothing is remembered yet.

        Raises:
            BackendError: there is not enough memory.
        """
        entry = self._allocated(self._entry)
        self._refer(features, entry)
        return entry

    def begin_elsewhere(self, clock: float, features: Tensors) -> None:
        """Goes on with its banks in another stream, whose first frame has just come.

        What was where in a previous frame says nothing there: its place takes this frame, with the label's
        tokens that are in the workspace.
        """
        self._previous = self.labelled(features)
        for group in self.groups:
            group.last_append = clock

    def correct(
        self, frame: int, clock: float, entry: dict[str, DeviceTensor], wrong: Collection[int]
    ) -> GroupMemory:
        """Remembers a corrected frame in place of wrong ones; of a cohort of one.

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
        (group,) = self.groups
        before = GroupMemory(group.bank, self._previous, group.policy, group.trusted, group.last_append)
        numbers = group.bank.slot_frames
        kept = [slot for slot, held in enumerate(numbers) if held != frame and held not in wrong]
        if group.policy.bounded and len(kept) >= group.options.capacity:
            kept.remove(max(kept, key=lambda slot: (numbers[slot] not in group.trusted, numbers[slot])))
        scoring = self._backend.kernels.scoring if group.bank.tracks_redundancy else None
        bank = group.bank.sharing(kept, scoring=scoring)
        bank.write(len(bank), frame, _row(entry, 0))
        group.bank, self._previous, group.policy = bank, entry, deepcopy(group.policy)
        group.trusted = group.trusted & set(bank.slot_frames) | {frame}
        group.last_append, group.untouched = clock, False
        return before

    def restore(self, memory: GroupMemory) -> None:
        """Remembers again what it did before a correction; of a cohort of one."""
        (group,) = self.groups
        group.bank, self._previous, group.policy = memory.bank, memory.previous, memory.policy
        group.trusted, group.last_append = memory.trusted, memory.last_append

    def propagate(self, features: Tensors) -> None:
        """Reads the memories for a frame: leaves z in the workspace, and what `memorize` will need."""
        for group in self.groups:
            group.untouched = False
        self.recall(self.groups[0].bank, self._previous, features)

    def recall(self, bank: MemoryBank, entry: Tensors, features: Tensors) -> None:
        """As `propagate`, from other memories than the groups'."""
        previous = {name: entry[source] for name, source in self._previous_sources.items()}
        shared = {**features, **self._workspace.of(len(self.groups))}
        self._propagation.run({**shared, **previous, **self._carry, **self._current}, bank)

    def memorize(self) -> None:
        """Completes the frame's entries with the tokens in the workspace; they are the previous ones then."""
        held = self._workspace.of(len(self.groups))
        self._backend.run(self._plan.memorize, {**held, **self._carry, **self._current})
        self._previous, self._current = self._current, self._previous

    def append(self, group: ObjectGroup, frame: int, clock: float, logits: DeviceTensor) -> MemoryUpdate:
        """Puts a group's latest entry into its bank, over the frame that its policy gives up."""
        bank = group.bank
        evidence = BankEvidence(self._backend, self._workspace, bank, self._propagation, logits, group.active)
        full = group.policy.bounded and len(bank) >= group.options.capacity
        decision = group.policy.decide(evidence, full=full)
        slot = len(bank) if decision.slot is None else decision.slot
        evicted = None if decision.slot is None else bank.slot_frames[slot]
        bank.write(slot, frame, _row(self._previous, bank.row))
        group.last_append = clock
        return MemoryUpdate(group.number, group.ids, bank.frames, evicted, decision)

    def _fit(self) -> None:
        """A group alone holds what its bank does, not what its neighbours did."""
        if len(self.groups) == 1:
            bank = self.groups[0].bank
            bank.store.hold(len(bank))

    def _refer(self, features: Tensors, entry: Tensors) -> None:
        held = self._workspace.of(len(self.groups))
        self._backend.run(self._plan.reference, {**features, **held, **entry})

    def _allocated(self, tensors: Sequence[TensorInfo]) -> dict[str, DeviceTensor]:
        symbols = {**self._workspace.symbols, "G": len(self.groups)}
        return allocate(self._backend.device, tensors, symbols)


def memory_tensors(manifest: Manifest) -> list[TensorInfo]:
    """What a bank holds, whichever plan reads it: the tensors that the plan `whole` reads it by."""
    return having(manifest.graphs.values(), Role.MEMORY)


def _row(tensors: Tensors, row: int) -> dict[str, DeviceTensor]:
    return {name: tensor.at(row) for name, tensor in tensors.items()}


def _caches(backend: Backend, workspace: Workspace, layout: BankLayout, capacity: int) -> list[KeyValueCache]:
    """A key-value cache for each block."""
    attention, precision = backend.kernels.attention, backend.attention_precision
    assert attention is not None
    network, tokens = backend.bundle.group_manifest.network, prod(workspace.grids.tokens)
    widths = {(t.block, t.kind): int(t.shape[-1]) for t in layout.tensors}
    return [
        attention.cache(
            capacity,
            tokens,
            network.heads,
            widths[block, Kind.KEY],
            widths[block, Kind.VALUE],
            precision=precision,
        )
        for block in range(network.blocks)
    ]
