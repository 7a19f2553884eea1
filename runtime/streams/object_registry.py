"""The objects of a stream as its user knows them: stable ids, names, seen, lost and found again."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from ermu.errors import PromptError
from ermu.runtime.images.labels import IGNORE
from ermu.runtime.images.masks import Extents
from ermu.runtime.results import ObjectState, Sighting

# Controls, direction marks, what has no width. Joiners stay, which scripts and emoji need.
_UNSEEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)
NAME = rf"^[^{_UNSEEN}]*[^{_UNSEEN}\s\u200c\u200d][^{_UNSEEN}]*$"
_NAME = re.compile(NAME)


def check_name(name: str) -> None:
    """Refuses an object's name that cannot be seen, or that shows itself as something else.

    Raises:
        PromptError: it is empty, of spaces only, or has control or direction characters.
    """
    if not _NAME.fullmatch(name) or any("\ud800" <= character <= "\udfff" for character in name):
        raise PromptError(
            f"An object cannot be called {name!a}.",
            expected="a name that can be seen, without control characters and direction marks",
        )


class ObjectRegistry:
    """Keeps account of every id; used by one thread at a time.

    Ids are given out from 1 upwards; when all 254 have been used, the one that has been free longest comes
    back.

    Args:
        lost_seconds: Without a pixel after which an object counts as lost.
    """

    def __init__(self, lost_seconds: float = 2.0) -> None:
        self._lost_seconds = lost_seconds
        self._objects: dict[int, Sighting] = {}
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(1, IGNORE))

    @property
    def ids(self) -> list[int]:
        return sorted(self._objects)

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """Every object, by id."""
        now = dict(self._objects)  # other threads read while the worker writes
        return tuple(now[object_id] for object_id in sorted(now))

    @property
    def free(self) -> list[int]:
        """The ids that no object has, in the order in which they are given out."""
        return list(self._free)

    def resume(self, objects: Iterable[Sighting], free: Iterable[int]) -> None:
        """Takes the place of what is known: objects, and the order in which ids that they have not come."""
        self._objects = {sighting.id: sighting for sighting in objects}
        order = dict.fromkeys([*free, *range(1, IGNORE)])
        self._free = OrderedDict.fromkeys(i for i in order if i not in self._objects)

    def move_clock(self, seconds: float) -> None:
        """Moves the times at which objects were seen: the stream's axis has begun anew."""
        for object_id, known in self._objects.items():
            if known.seen_time is not None:
                self._objects[object_id] = replace(known, seen_time=known.seen_time + seconds)

    def known(self, object_id: int) -> Sighting:
        """What is known of an object.

        Raises:
            PromptError: there is no such object.
        """
        self._check(object_id)
        return self._objects[object_id]

    def next_id(self) -> int:
        """The id that the next object will get.

        Raises:
            PromptError: all are in use.
        """
        if not self._free:
            raise PromptError("All 254 ids are in use.", fix="remove an object first")
        return next(iter(self._free))

    def next_ids(self, count: int) -> list[int]:
        """The ids that the next objects will get; fewer where so many are not free."""
        return list(islice(self._free, count))

    def add(
        self,
        ids: Iterable[int],
        *,
        frame: int,
        time: float,
        name: str | None = None,
        drawn: Extents | None = None,
    ) -> None:
        """Takes new objects in.

        Args:
            ids: Free ones.
            frame: Number of the latest frame.
            time: Its time in seconds.
            name: Of each; default, `object <id>`.
            drawn: Where they were drawn, which is all that is known of them until they are observed.

        Raises:
            PromptError: an id is in use.
        """
        for object_id in ids:
            if object_id not in self._free:
                raise PromptError(f"The id {object_id} is in use.", expected="an id that no object has")
            del self._free[object_id]
            self._objects[object_id] = Sighting(
                object_id,
                name or f"object {object_id}",
                ObjectState.VISIBLE,
                area=0 if drawn is None else int(drawn.areas[object_id]),
                box=None if drawn is None else drawn.box(object_id),
                added_frame=frame,
                seen_frame=frame,
                seen_time=time,
            )

    def remove(self, object_id: int) -> None:
        """Forgets an object.

        Raises:
            PromptError: there is no such object.
        """
        self._check(object_id)
        del self._objects[object_id]
        self._free[object_id] = None

    def rename(self, object_id: int, name: str) -> None:
        """Changes an object's name.

        Raises:
            PromptError: there is no such object, or the name will not do.
        """
        check_name(name)
        self._check(object_id)
        self._objects[object_id] = replace(self._objects[object_id], name=name)

    def clear(self) -> None:
        """Forgets every object."""
        for object_id in self.ids:
            self.remove(object_id)

    def observe(self, sighted: Iterable[Sighting], *, frame: int, time: float) -> None:
        """Updates every object from what a frame alone says of them.

        Args:
            sighted: A segmenter's objects; one that is not among them is nowhere to be seen.
            frame: The frame's number.
            time: Its time in seconds.
        """
        now = {sighting.id: sighting for sighting in sighted}
        for object_id, before in self._objects.items():
            self._objects[object_id] = self._seen(before, now.get(object_id), frame, time)

    def _seen(self, before: Sighting, now: Sighting | None, frame: int, time: float) -> Sighting:
        if now is None or now.box is None:
            assert before.seen_time is not None
            lost = time - before.seen_time > self._lost_seconds
            state = ObjectState.LOST if lost else ObjectState.ABSENT
            return replace(before, area=0, box=None, score=None, state=state)
        found = before.found + (before.state is ObjectState.LOST)
        return replace(
            before,
            area=now.area,
            box=now.box,
            score=now.score,
            state=ObjectState.VISIBLE,
            seen_frame=frame,
            seen_time=time,
            found=found,
        )

    def _check(self, object_id: int) -> None:
        if object_id not in self._objects:
            raise PromptError(f"There is no object {object_id}.", expected=f"one of {self.ids}")
