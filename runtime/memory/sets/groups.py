"""All groups of a segmenter: a frame's way through each cohort, their logits and label maps side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import accumulate

import cv2
import numpy as np

from ermu.devices.tensor import DeviceTensor
from ermu.errors import PromptError
from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.sizes import resolve
from ermu.runtime.images.labels import IGNORE, MOST_GROUPS, in_groups, to_channels
from ermu.runtime.memory.cohorts.cohort import Cohort
from ermu.runtime.memory.correction import Correction, Corrections, Witnesses
from ermu.runtime.memory.group import GroupMemory, ObjectGroup
from ermu.runtime.memory.labelling import Labeller, Probabilities, Seen
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.policy import EvictionPolicy
from ermu.runtime.memory.sets.memories import Memories, Tensors, check_followed
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.memory.workspace import Workspace
from ermu.runtime.sharing import Standing, sharing
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Array, LabelMap

logger = logging.getLogger("ermu.memory")


class GroupSet(Memories):
    """Groups in order, cohort by cohort; group g's object k is 10 * g + k in a merged label map.

    The kernels' attention reads one group's memories at a time: there, every cohort is of one.

    Args:
        backend: Runs the graphs.
        workspace: Of all groups.
        source_hw: Height and width of the frames.
        numbers: Yields the numbers of new groups.
    """

    def __init__(
        self,
        backend: Backend,
        workspace: Workspace,
        source_hw: tuple[int, int],
        numbers: Iterator[int],
    ) -> None:
        self._backend, self.workspace, self.source_hw = backend, workspace, source_hw
        self.grids = workspace.grids
        self._identity, self._numbers, self._device = backend.identity, numbers, backend.device
        self._groups: list[ObjectGroup] = []
        self._cohorts: list[Cohort] = []
        self._corrections = Corrections[GroupMemory]()
        aligned = workspace.grids.rule.align_corners
        self._labeller = Labeller(backend, source_hw, align_corners=aligned)
        (self._info,) = backend.graphs[backend.group_plan.decode].outputs
        self._logits, self._labels = self._allocated(0)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[ObjectGroup]:
        return iter(self._groups)

    @property
    def cohorts(self) -> list[Cohort]:
        """The groups by who runs them."""
        return self._cohorts

    @property
    def ids(self) -> list[int]:
        """See `Memories.ids`."""
        return [i for group in self._groups for i in group.ids]

    @property
    def longest(self) -> int:
        """See `Memories.longest`."""
        return max((len(group.bank) for group in self._groups), default=0)

    def unchanged(self) -> list[MemoryUpdate]:
        """See `Memories.unchanged`."""
        return [group.unchanged() for group in self._groups]

    def begin(
        self,
        ids: Sequence[int],
        label: LabelMap,
        features: Tensors,
        options: MemoryOptions,
        *,
        frame: int,
        clock: float,
    ) -> None:
        """See `Memories.begin`."""
        begun = [
            ObjectGroup(next(self._numbers), own, self._policy(options), options) for own in in_groups(ids)
        ]
        self._set([*self._cohorts, *self.opened(begun)])
        for first, cohort in self._placed():
            if cohort.groups[0] not in begun:
                continue
            self._embed(first, cohort, label)
            cohort.begin(frame, clock, features)
            self._decode(first, cohort, features)

    def opened(self, groups: Sequence[ObjectGroup]) -> list[Cohort]:
        """New groups that begin together, in cohorts, with empty banks.

        Raises:
            BackendError: there is not enough memory.
        """
        most = self._backend.most_together
        shares = [groups[i : i + most] for i in range(0, len(groups), most)]
        return [Cohort.opened(self._backend, self.workspace, share) for share in shares]

    def make_room(
        self, ids: Sequence[int], label: LabelMap, known: LabelMap, options: MemoryOptions, *, frame: int
    ) -> tuple[list[int], LabelMap]:
        """See `Memories.make_room`; which groups: `ermu.runtime.sharing`."""
        small = cv2.resize(known, self.workspace.grids.hw[::-1], interpolation=cv2.INTER_NEAREST)
        shown = set(np.unique(small).tolist())
        standing = [self._standing(group, shown, frame) for group in self._groups]
        joined = sharing(standing, len(ids), limit=options.max_groups, alive=options.all_identities)
        if joined is None:
            raise PromptError(
                f"{len(ids)} more objects do not fit.",
                expected=f"at most {MOST_GROUPS} groups of ten identities that stay alive",
                fix="remove objects first",
            )
        groups = [self._groups[i] for i in joined]
        held = [i for group in groups for i in group.ids if group.untouched or i in shown]
        _tell([group for group in groups if not group.untouched], held, frame)
        if groups:
            self._keep([group for group in self._groups if group not in groups])
        where = np.where(label == 0, np.where(np.isin(known, held), known, 0), label)
        return [*held, *ids], where.astype(np.uint8)

    def segment(self, features: Tensors, watch: Stopwatch, *, frame: int) -> LabelMap:
        """See `Memories.segment`."""
        for first, cohort in self._placed():
            with watch("propagate"):
                cohort.propagate(features)
            with watch("decode"):
                self._decode(first, cohort, features)
        with watch("label"):
            return self._labeller.label(self._logits, self._labels)

    def remember(
        self,
        options: MemoryOptions,
        watch: Stopwatch,
        *,
        frame: int,
        clock: float,
        label: LabelMap | None = None,
    ) -> list[MemoryUpdate]:
        """See `Memories.remember`."""
        with watch("memorize"), self._backend.repeating():
            for first, cohort in self._placed():
                self._embed(first, cohort, label)
                cohort.memorize()
        updates = []
        for g, (cohort, group) in enumerate((c, group) for c in self._cohorts for group in c.groups):
            if not group.due(clock, options.interval):
                updates.append(group.unchanged())
                continue
            with watch("score"):
                updates.append(cohort.append(group, frame, clock, self._logits.at(g)))
        for group in [group for cohort in self._cohorts for group in cohort.uneven]:
            self._alone(group)
        return updates

    def correct(
        self,
        object_id: int,
        label: LabelMap,
        features: Tensors,
        *,
        found: LabelMap,
        frame: int,
        clock: float,
        latest: tuple[int, LabelMap],
    ) -> None:
        """See `Memories.correct`."""
        group = self._of(object_id)
        check_followed(object_id, group.bank.frames[0], frame)
        g, cohort = self._alone(group)
        logits = self._device.empty(self._logits.shape[1:], self._logits.dtype)
        self._device.copy(self._logits.at(g), logits)
        self._embed(g, cohort, label)
        entry = cohort.labelled(features)
        answer = self._device.empty(logits.shape, logits.dtype)
        self._decode(g, cohort, features, answer.reshaped(1, *answer.shape))
        witnesses = Witnesses(cohort, entry, features, lambda: self._seen(g, cohort, features))
        before = cohort.correct(frame, clock, entry, witnesses.wrong(object_id, frame, found, label))
        self._device.copy(answer, self._logits.at(g))
        self._corrections.add(Correction(object_id, group.number, before, logits, *latest, self.ids))

    def undo(self, object_id: int) -> Correction[GroupMemory]:
        """See `Memories.undo`."""
        group = self._of(object_id)
        correction = self._corrections.take(object_id, group.number)
        g, cohort = self._alone(group)
        cohort.restore(correction.memory)
        self._device.copy(correction.logits, self._logits.at(g))
        return correction

    def segment_again(self, object_id: int, features: Tensors, *, frame: int) -> LabelMap:
        """See `Memories.segment_again`."""
        g, cohort = self._alone(self._of(object_id))
        cohort.propagate(features)
        self._decode(g, cohort, features)
        label = self._labeller.label(self._logits, self._labels)
        self._embed(g, cohort)
        cohort.memorize()
        return label

    def switch_policy(self, options: MemoryOptions) -> None:
        """See `Memories.switch_policy`."""
        self._corrections.keep([])  # their policies' figures are another's
        for group in self._groups:
            group.switch_policy(self._policy(options), self._backend.kernels.scoring)

    def resume(self, cohorts: list[Cohort], logits: Array) -> None:
        """Goes on with groups that have been filled, and their latest logits, G x C x h4 x w4."""
        self._set(cohorts)
        self._device.upload(logits, self._logits)

    def begin_elsewhere(self, clock: float, features: Tensors) -> None:
        """See `Memories.begin_elsewhere`: all of its first frame is ignored."""
        unknown = np.full(self.source_hw, IGNORE, np.uint8)
        for first, cohort in self._placed():
            self._embed(first, cohort, unknown)
            cohort.begin_elsewhere(clock, features)

    def move_clock(self, seconds: float) -> None:
        """See `Memories.move_clock`."""
        for group in self._groups:
            group.move_clock(seconds)

    def clear(self) -> None:
        """See `Memories.clear`."""
        self._keep([])

    def remove(self, object_id: int) -> None:
        """See `Memories.remove`."""
        self._of(object_id).remove(object_id)
        self._labeller.follow(self._groups)
        kept = [group for group in self._groups if group.ids]
        if len(kept) != len(self._groups):
            self._keep(kept)

    def logits(self) -> Array:
        """See `Memories.logits`."""
        return self._device.download(self._logits)

    def probabilities(self) -> Probabilities:
        """See `Memories.probabilities`."""
        return self._labeller.probabilities(self.logits())

    def seen(self, label: LabelMap) -> dict[int, Seen]:
        """See `Memories.seen`."""
        return self._labeller.seen(label, self._logits)

    def _standing(self, group: ObjectGroup, shown: set[int], frame: int) -> Standing:
        """As `sharing` sees a group, of a frame on which these ids are shown."""
        is_open = group.untouched and group.began == frame
        movable = len(group.ids) if is_open else len(shown & set(group.ids))
        return Standing(_width(group), len(group.ids), movable, group.began, is_open)

    def _of(self, object_id: int) -> ObjectGroup:
        """The group that follows an object."""
        return next(group for group in self._groups if object_id in group.ids)

    def _placed(self) -> list[tuple[int, Cohort]]:
        """Every cohort, with the place of its first group among all."""
        firsts = accumulate((len(cohort) for cohort in self._cohorts), initial=0)
        return list(zip(firsts, self._cohorts, strict=False))

    def _alone(self, group: ObjectGroup) -> tuple[int, Cohort]:
        """A group's place, and its cohort, which it leaves first where others are in it.

        Groups keep their order, so that those behind it leave, too, for another one.

        Raises:
            BackendError: there is not enough memory; nobody remembers anything else.
        """
        at, cohort = next((i, c) for i, c in enumerate(self._cohorts) if group in c.groups)
        row = cohort.groups.index(group)
        if row < len(cohort) - 1:
            self._cohorts.insert(at + 1, cohort.leave(cohort.groups[row + 1 :]))
        if row:
            at, cohort = at + 1, cohort.leave([group])
            self._cohorts.insert(at, cohort)
        return self._groups.index(group), cohort

    def _policy(self, options: MemoryOptions) -> EvictionPolicy:
        return POLICIES.get(options.policy)(self._backend.bundle.group_manifest.score)

    def _embed(self, first: int, cohort: Cohort, label: LabelMap | None = None) -> None:
        """Puts the tokens of a cohort's label maps, from the first one's place on, into the workspace.

        Of what was predicted, or of one of the caller's, H x W at source size with the caller's ids.
        """
        argument, tokens = self._device.kernel_argument, self.workspace.identity(len(cohort))
        for row, group in enumerate(cohort.groups):
            held = self._labels.at(first + row)
            if label is not None:
                self._device.upload(to_channels(label, group.channel_ids, self.workspace.grids.hw), held)
            self._identity.embed(argument(held), argument(tokens.at(row)))

    def _seen(self, g: int, cohort: Cohort, features: Tensors) -> Array:
        """Logits of group g, alone in its cohort, from the z in the workspace: C x h4 x w4, on the host."""
        self._decode(g, cohort, features)
        return self._device.download(self._logits.at(g))

    def _decode(self, first: int, cohort: Cohort, features: Tensors, out: DeviceTensor | None = None) -> None:
        """Logits of a cohort from the z that it left in the workspace."""
        found = out or self._logits.span(first, len(cohort))
        held = {**features, **self.workspace.of(len(cohort)), self._info.name: found}
        self._backend.run(self._backend.group_plan.decode, held)

    def _keep(self, groups: list[ObjectGroup]) -> None:
        """Goes on with these alone, in the order that they have.

        Raises:
            BackendError: there is not enough memory; everything is as it was.
        """
        room = self._allocated(len(groups))
        for cohort in self._cohorts:
            cohort.keep([group for group in cohort.groups if group in groups])
        self._arrange([cohort for cohort in self._cohorts if len(cohort)], room)

    def _set(self, cohorts: list[Cohort]) -> None:
        groups = [group for cohort in cohorts for group in cohort.groups]
        room = self._allocated(len(groups))
        if len(groups) > MOST_GROUPS:
            cohorts = _narrowest_last(cohorts, groups)
        self._labeller.follow([group for cohort in cohorts for group in cohort.groups])  # may lack memory
        self._arrange(cohorts, room)

    def _arrange(self, cohorts: list[Cohort], room: tuple[DeviceTensor, DeviceTensor]) -> None:
        """Goes on with these, their logits and label maps in that room; those of groups that stay stay."""
        before = {group.number: self._logits.at(g) for g, group in enumerate(self._groups)}
        self._cohorts, (self._logits, self._labels) = cohorts, room
        groups = self._groups = [group for cohort in cohorts for group in cohort.groups]
        self._labeller.follow(groups)
        self._corrections.keep([group.number for group in groups])
        for g, group in enumerate(groups):
            if group.number in before:
                self._device.copy(before[group.number], self._logits.at(g))

    def _allocated(self, count: int) -> tuple[DeviceTensor, DeviceTensor]:
        """Room for the logits and the label maps of so many groups."""
        symbols = {**self.workspace.symbols, "G": count}
        logits = self._device.empty(resolve(self._info.shape, symbols), self._info.dtype)
        return logits, self._device.empty((count, *self.workspace.grids.hw), np.uint8)


def _narrowest_last(cohorts: list[Cohort], groups: list[ObjectGroup]) -> list[Cohort]:
    """With the group of fewest channels as the last: there are labels for no more of its ten than five."""
    narrowest = groups[min(range(len(groups)), key=lambda g: (_width(groups[g]), -g))]
    if narrowest is groups[-1]:
        return cohorts
    own = next(cohort for cohort in cohorts if narrowest in cohort.groups)
    alone = own if len(own) == 1 else own.leave([narrowest])
    return [*(cohort for cohort in cohorts if cohort is not alone), alone]


def _width(group: ObjectGroup) -> int:
    """Its highest channel in use, 1 to 10."""
    return int(np.flatnonzero(group.active)[-1])


def _tell(groups: Sequence[ObjectGroup], held: Sequence[int], frame: int) -> None:
    """Says whose memories are lost."""
    ids = [i for group in groups for i in group.ids]
    again, gone = (sorted(i for i in ids if (i in held) is kept) for kept in (True, False))
    if again:
        logger.info("Groups are many: the memories of objects %s begin anew at frame %d.", again, frame)
    if gone:
        logger.warning("Groups are many: objects %s, not on frame %d, are given up.", gone, frame)
