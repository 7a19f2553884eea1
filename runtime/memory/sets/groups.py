"""All groups of a segmenter: a frame's way through each, and their logits and label maps side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from ermu.devices.tensor import DeviceTensor
from ermu.errors import PromptError
from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.sizes import resolve
from ermu.runtime.images.labels import IGNORE, MOST_GROUPS, in_groups, to_channels
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
    """Groups in order; group g's object k is 10 * g + k in a merged label map.

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
        self._corrections = Corrections[GroupMemory]()
        aligned = workspace.grids.rule.align_corners
        self._labeller = Labeller(backend, source_hw, align_corners=aligned)
        (self._info,) = backend.graphs[backend.group_plan.decode].outputs
        self._allocate(0)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[ObjectGroup]:
        return iter(self._groups)

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
        shared = self._backend, self.workspace
        begun = [
            ObjectGroup(*shared, next(self._numbers), own, self._policy(options), options)
            for own in in_groups(ids)
        ]
        self._set([*self._groups, *begun])
        for g, group in enumerate(self._groups):
            if group not in begun:
                continue
            self._embed(g, label)
            group.begin(frame, clock, features)
            self._decode(g, features)

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
            self._set([group for group in self._groups if group not in groups])
        where = np.where(label == 0, np.where(np.isin(known, held), known, 0), label)
        return [*held, *ids], where.astype(np.uint8)

    def segment(self, features: Tensors, watch: Stopwatch, *, frame: int) -> LabelMap:
        """See `Memories.segment`."""
        for g, group in enumerate(self._groups):
            with watch("propagate"):
                group.propagate(features)
            with watch("decode"):
                self._decode(g, features)
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
            for g, group in enumerate(self._groups):
                self._embed(g, label)
                group.memorize()
        updates = []
        for g, group in enumerate(self._groups):
            if not group.due(clock, options.interval):
                updates.append(group.unchanged())
                continue
            with watch("score"):
                updates.append(group.append(frame, clock, self._logits.at(g)))
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
        g, group = self._of(object_id)
        check_followed(object_id, group.bank.frames[0], frame)
        logits = self._device.empty(self._logits.shape[1:], self._logits.dtype)
        self._device.copy(self._logits.at(g), logits)
        self._embed(g, label)
        entry = group.labelled(features)
        answer = self._device.empty(logits.shape, logits.dtype)
        self._decode(g, features, answer)
        witnesses = Witnesses(group, entry, features, lambda: self._seen(g, features))
        before = group.correct(frame, clock, entry, witnesses.wrong(object_id, frame, found, label))
        self._device.copy(answer, self._logits.at(g))
        self._corrections.add(Correction(object_id, group.number, before, logits, *latest, self.ids))

    def undo(self, object_id: int) -> Correction[GroupMemory]:
        """See `Memories.undo`."""
        g, group = self._of(object_id)
        correction = self._corrections.take(object_id, group.number)
        group.restore(correction.memory)
        self._device.copy(correction.logits, self._logits.at(g))
        return correction

    def segment_again(self, object_id: int, features: Tensors, *, frame: int) -> LabelMap:
        """See `Memories.segment_again`."""
        g, group = self._of(object_id)
        group.propagate(features)
        self._decode(g, features)
        label = self._labeller.label(self._logits, self._labels)
        self._embed(g)
        group.memorize()
        return label

    def switch_policy(self, options: MemoryOptions) -> None:
        """See `Memories.switch_policy`."""
        self._corrections.keep([])  # their policies' figures are another's
        for group in self._groups:
            group.switch_policy(self._policy(options))

    def resume(self, groups: list[ObjectGroup], logits: Array) -> None:
        """Goes on with groups that have been filled, and their latest logits, G x C x h4 x w4."""
        self._labeller.follow(groups)
        self._groups = groups
        self._allocate(len(groups))
        self._device.upload(logits, self._logits)

    def begin_elsewhere(self, clock: float, features: Tensors) -> None:
        """See `Memories.begin_elsewhere`: all of its first frame is ignored."""
        unknown = np.full(self.source_hw, IGNORE, np.uint8)
        for g, group in enumerate(self._groups):
            self._embed(g, unknown)
            group.begin_elsewhere(clock, features)

    def move_clock(self, seconds: float) -> None:
        """See `Memories.move_clock`."""
        for group in self._groups:
            group.move_clock(seconds)

    def clear(self) -> None:
        """See `Memories.clear`."""
        self._set([])

    def remove(self, object_id: int) -> None:
        """See `Memories.remove`."""
        self._of(object_id)[1].remove(object_id)
        self._labeller.follow(self._groups)
        kept = [group for group in self._groups if group.ids]
        if len(kept) != len(self._groups):
            self._set(kept)

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

    def _of(self, object_id: int) -> tuple[int, ObjectGroup]:
        """The group that follows an object, and its place."""
        return next((g, group) for g, group in enumerate(self._groups) if object_id in group.ids)

    def _policy(self, options: MemoryOptions) -> EvictionPolicy:
        return POLICIES.get(options.policy)(self._backend.bundle.group_manifest.score)

    def _embed(self, g: int, label: LabelMap | None = None) -> None:
        """Puts the tokens of group g's label map into the workspace.

        Of what was predicted, or of one of the caller's, H x W at source size with the caller's ids.
        """
        held, tokens = self._labels.at(g), self.workspace.identity
        if label is not None:
            own = to_channels(label, self._groups[g].channel_ids, self.workspace.grids.hw)
            self._device.upload(own, held)
        self._identity.embed(self._device.kernel_argument(held), self._device.kernel_argument(tokens))

    def _seen(self, g: int, features: Tensors) -> Array:
        """Logits of group g from the z that it left in the workspace, C x h4 x w4, on the host."""
        self._decode(g, features)
        return self._device.download(self._logits.at(g))

    def _decode(self, g: int, features: Tensors, out: DeviceTensor | None = None) -> None:
        """Logits of group g from the z that it left in the workspace."""
        held = {**features, **self.workspace.tensors, self._info.name: out or self._logits.at(g)}
        self._backend.run(self._backend.group_plan.decode, held)

    def _set(self, groups: list[ObjectGroup]) -> None:
        if len(groups) > MOST_GROUPS:
            groups.append(groups.pop(min(range(len(groups)), key=lambda g: (_width(groups[g]), -g))))
        self._labeller.follow(groups)
        before = {group.number: self._logits.at(g) for g, group in enumerate(self._groups)}
        self._groups = groups
        self._corrections.keep([group.number for group in groups])
        self._allocate(len(groups))
        for g, group in enumerate(groups):
            if group.number in before:
                self._device.copy(before[group.number], self._logits.at(g))

    def _allocate(self, count: int) -> None:
        one = resolve(self._info.shape, self.workspace.symbols)
        self._logits = self._device.empty((count, *one), self._info.dtype)
        self._labels = self._device.empty((count, *self.workspace.grids.hw), np.uint8)


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
