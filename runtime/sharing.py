"""Which objects share a group: those added on one frame, and the youngest where groups are too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ermu.runtime.images.labels import GROUP_SIZE, MOST_GROUPS
from ermu.types import LabelMap

_LAST_WIDTH = 5  # channels of a group beyond the 25th: 10 * 25 + 5 is the largest label


@dataclass(frozen=True)
class Standing:
    """A group, as far as it matters to who shares one.

    Attributes:
        width: Its highest channel in use.
        objects: How many it has.
        movable: How many could begin anew in another group: those on the label map.
        began: Frame of its first memory.
        open: Whether it began on the frame of the addition and has seen none since.
    """

    width: int
    objects: int
    movable: int
    began: int
    open: bool = False

    @property
    def unseen(self) -> int:
        """Objects that moving it would give up."""
        return self.objects - self.movable

    @property
    def whole(self) -> bool:
        """Whether there are none of these."""
        return not self.unseen


@dataclass(frozen=True)
class Added:
    """What has been added on one frame since the latest step.

    Attributes:
        frame: Its number.
        label: uint8 H x W, the ids added; None where there are none.
    """

    frame: int = -1
    label: LabelMap | None = None

    def on(self, frame: int, known: LabelMap) -> LabelMap:
        """A frame's label map with what has been added on it."""
        if self.label is None or frame != self.frame:
            return known
        return np.where(self.label > 0, self.label, known).astype(np.uint8)

    def with_more(self, frame: int, label: LabelMap) -> Added:
        """After another addition."""
        if self.label is None or frame != self.frame:
            return Added(frame, label)
        return Added(frame, np.where(label > 0, label, self.label).astype(np.uint8))


def sharing(groups: Sequence[Standing], new: int, *, limit: int, alive: bool) -> list[int] | None:
    """The groups that begin anew, together with new objects.

    An open group always does where it has room: what is added on one frame is one addition. Beyond that, as
    few as will do, and of these the youngest, which lose least. Once it must be, the room left in the joint
    group is filled from the younger half, so that each begins anew once, and not again with every addition. A
    group with an object that is nowhere to be seen stays as it is, whatever the limit, until labels run out:
    the object would be given up, so then as few as can be.

    Args:
        groups: All there are.
        new: How many objects are added.
        limit: Groups to have at most, apart from full ones and those that stay.
        alive: Whether channels that no object has stay alive, so that every group is ten wide.

    Returns:
        Indices of groups; None where no choice leaves the objects room.
    """
    choice = _Choice(groups, new, alive)
    joined = [i for i, group in enumerate(groups) if group.open and group.objects < GROUP_SIZE]
    others = [i for i, group in enumerate(groups) if i not in joined]
    others.sort(key=lambda i: -groups[i].began)
    whole = [i for i in others if groups[i].whole and groups[i].objects < GROUP_SIZE]
    opened, young = len(joined), set(whole[: len(whole) // 2])
    while whole and not choice.suits(joined, limit):
        joined.append(whole.pop(0))
    broken = sorted((i for i in others if not groups[i].whole), key=lambda i: groups[i].unseen)
    while broken and not choice.fits(joined):
        joined.append(broken.pop(0))
    if not choice.fits(joined):
        return None
    for i in [i for i in whole if i in young] if len(joined) > opened else []:
        filled = [*joined, i]
        if choice.packed(filled) == choice.packed(joined) and choice.fits(filled):
            joined = filled
    return joined


@dataclass(frozen=True)
class _Choice:
    """What becomes of the groups when some of them are joined with new objects."""

    groups: Sequence[Standing]
    new: int
    alive: bool

    def packed(self, joined: Sequence[int]) -> int:
        """Groups that the joined objects and the new ones take together."""
        return _full(self._moved(joined))

    def fits(self, joined: Sequence[int]) -> bool:
        """Whether 10 * g + k fits a byte: of 26 groups the narrowest comes last, and ends at channel 5."""
        moved = self._moved(joined)
        rest = GROUP_SIZE if self.alive else moved % GROUP_SIZE
        widths = [group.width for group in self._kept(joined)]
        widths += [GROUP_SIZE] * (moved // GROUP_SIZE) + [rest] * bool(moved % GROUP_SIZE)
        return len(widths) <= MOST_GROUPS or (len(widths) == MOST_GROUPS + 1 and min(widths) <= _LAST_WIDTH)

    def suits(self, joined: Sequence[int], limit: int) -> bool:
        """Whether the groups are few, too, as far as that can be had."""
        kept = self._kept(joined)
        stay = sum(not group.whole for group in kept)
        least = stay + _full(self._moved(joined) + sum(group.objects for group in kept if group.whole))
        return len(kept) + self.packed(joined) <= max(limit, least) and self.fits(joined)

    def _kept(self, joined: Sequence[int]) -> list[Standing]:
        return [group for i, group in enumerate(self.groups) if i not in joined]

    def _moved(self, joined: Sequence[int]) -> int:
        return self.new + sum(self.groups[i].movable for i in joined)


def _full(objects: int) -> int:
    return -(-objects // GROUP_SIZE)
