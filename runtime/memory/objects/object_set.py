"""Every object with a memory of its own: none of them is disturbed by another's coming, going or changing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ermu.devices.tensor import DeviceTensor
from ermu.errors import PromptError
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.sizes import Grids, resolve
from ermu.runtime.images.labels import GROUP_SIZE, MAX_OBJECTS, in_groups
from ermu.runtime.memory.correction import Correction, Corrections
from ermu.runtime.memory.labelling import Labeller, Probabilities, Seen
from ermu.runtime.memory.objects.bank import Single
from ermu.runtime.memory.objects.choosing import Chooser, choosers
from ermu.runtime.memory.objects.clicks import Clicks
from ermu.runtime.memory.objects.deciding import decided, probabilities
from ermu.runtime.memory.objects.graphs import ObjectGraphs, Tensors
from ermu.runtime.memory.objects.masks import mask_of, network_mask
from ermu.runtime.memory.objects.tracked import SavedObject, TenObjects, TrackedObject, TrackMemory
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.memories import Memories, check_followed
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Array, LabelMap, Mask


class ObjectSet(Memories):
    """Objects in order; a set of ten has its logits side by side, after a background whose logit is 0.

    Args:
        backend: Runs the graphs.
        grids: Network input size.
        source_hw: Height and width of the frames.
        numbers: Yields the numbers of new objects.
    """

    def __init__(
        self, backend: Backend, grids: Grids, source_hw: tuple[int, int], numbers: Iterator[int]
    ) -> None:
        self._backend, self._device = backend, backend.device
        self.grids, self.source_hw = grids, source_hw
        self._graphs, self._numbers = ObjectGraphs(backend, grids), numbers
        self._objects: list[TrackedObject] = []
        self._choosers: dict[tuple[str, int], Callable[[], Chooser | None]] = {}  # of the latest alone
        self._features: Tensors = {}  # of the frame that was segmented last
        self._corrections = Corrections[TrackMemory]()
        self._labeller = Labeller(backend, source_hw, align_corners=grids.rule.align_corners)
        self._allocate(0)

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def ids(self) -> list[int]:
        """See `Memories.ids`."""
        return [each.object_id for each in self._objects]

    @property
    def longest(self) -> int:
        """See `Memories.longest`; frames with a prompt have room of their own."""
        return max((each.bank.length for each in self._objects), default=0)

    def unchanged(self) -> list[MemoryUpdate]:
        """See `Memories.unchanged`."""
        return [each.updated([]) for each in self._objects]

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
        begun = self._new(ids, options)
        self._set([*self._objects, *begun])
        for each in begun:
            mask = network_mask(label == each.object_id, self.grids.hw)
            each.label(features, mask, frame, clock, each.found)

    def make_room(
        self, ids: Sequence[int], label: LabelMap, known: LabelMap, options: MemoryOptions, *, frame: int
    ) -> tuple[list[int], LabelMap]:
        """See `Memories.make_room`: nobody has to make room, up to the number of ids."""
        if len(self) + len(ids) > MAX_OBJECTS:
            raise PromptError(
                f"{len(ids)} more objects do not fit.",
                expected=f"at most {MAX_OBJECTS}",
                fix="remove objects first",
            )
        return list(ids), label

    def segment(self, features: Tensors, watch: Stopwatch, *, frame: int) -> LabelMap:
        """See `Memories.segment`."""
        self._features = features
        with watch("propagate"):
            self._graphs.place([each.bank for each in self._objects], frame)
            for i, each in enumerate(self._objects):
                each.segment(features, i)
        with watch("label"):
            return self._labelled()

    def remember(
        self,
        options: MemoryOptions,
        watch: Stopwatch,
        *,
        frame: int,
        clock: float,
        label: LabelMap | None = None,
    ) -> list[MemoryUpdate]:
        """See `Memories.remember`; a label map that is given is a prompt of the objects on it."""
        with self._backend.repeating():
            return [
                self._remember(each, options.interval, frame, clock, label, watch) for each in self._objects
            ]

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
        """See `Memories.correct`: the frame gets a prompt, and those without are forgotten."""
        each = self._of(object_id)
        check_followed(object_id, each.bank.frames[0], frame)
        logits = self._copied(each.found.logits)
        mask = network_mask(label == object_id, self.grids.hw)
        before = each.correct(features, mask, frame, clock, latest[0], self._graphs.aside)
        self._note(each, before, logits, frame, latest)

    def begin_at(
        self,
        object_id: int,
        clicks: Clicks,
        features: Tensors,
        options: MemoryOptions,
        *,
        frame: int,
        clock: float,
    ) -> Mask:
        """Adds an object by clicks; arguments otherwise as `begin`.

        Returns:
            Where it is on that frame, bool H x W at source size.

        Raises:
            PromptError: the network sees nothing there; everything is as it was.
        """
        shown, mask = self._seen_at(clicks, features)
        (each,) = self._new([object_id], options)
        self._graphs.take_aside(each.found)
        self._set([*self._objects, each])
        each.prompt(features, mask, frame, clock, each.found)
        return shown

    def correct_at(
        self,
        object_id: int,
        clicks: Clicks,
        features: Tensors,
        *,
        frame: int,
        clock: float,
        latest: tuple[int, LabelMap],
    ) -> Mask:
        """As `correct`, by clicks.

        Returns:
            Where it is on that frame, bool H x W at source size.

        Raises:
            PromptError: the object was not followed yet, or the network sees nothing there.
        """
        each = self._of(object_id)
        check_followed(object_id, each.bank.frames[0], frame)
        each.click(features, clicks, frame, self._graphs.aside)
        shown, mask = self._seen_aside(clicks)
        logits = self._copied(each.found.logits)
        before = each.correct_at(features, mask, frame, clock, latest[0], self._graphs.aside)
        self._note(each, before, logits, frame, latest)
        return shown

    def mask_at(self, clicks: Clicks, features: Tensors) -> Mask:
        """Where the network sees an object that it knows nothing else of, bool H x W at source size.

        Raises:
            PromptError: it sees nothing there.
        """
        return self._seen_at(clicks, features)[0]

    def undo(self, object_id: int) -> Correction[TrackMemory]:
        """See `Memories.undo`."""
        each = self._of(object_id)
        correction = self._corrections.take(object_id, each.number)
        each.restore(correction.memory)
        self._device.copy(correction.logits, each.found.logits)
        return correction

    def segment_again(self, object_id: int, features: Tensors, *, frame: int) -> LabelMap:
        """See `Memories.segment_again`."""
        self._of(object_id).segment_again(features, frame)
        return self._labelled()

    def switch_policy(self, options: MemoryOptions) -> None:
        """See `Memories.switch_policy`."""
        made = [self._chooser(options) for _ in self._objects]
        self._corrections.keep([])  # their policies' figures are another's
        for each, chooser in zip(self._objects, made, strict=True):
            each.choose_by(chooser)

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of a memory frame, M x Cm, and of a pointer, C."""
        return self._graphs.shapes

    def logits_shape(self, count: int) -> tuple[int, ...]:
        """Of the logits of so many objects: G x 11 x h4 x w4."""
        sets = -(-count // GROUP_SIZE)
        return sets, 1 + GROUP_SIZE, *resolve(self._graphs.logits_info.shape, self.grids.symbols())

    def saved(self) -> list[SavedObject]:
        """All objects, on the host."""
        return [each.saved() for each in self._objects]

    def resume(self, saved: Sequence[SavedObject], logits: Array, options: MemoryOptions) -> None:
        """Goes on with objects that were saved, and their latest logits; there are none yet.

        Raises:
            ValueError: an object is not what it could be; there are still none.
        """
        made = []
        for each in saved:
            found = self._graphs.new_found()
            chooser = self._chooser(options)
            made.append(TrackedObject(self._graphs, each.number, each.id, options.capacity, found, chooser))
            made[-1].resume(each)
        self._set(made)
        if made:
            self._device.upload(logits, self._logits)

    def begin_elsewhere(self, clock: float, features: Tensors) -> None:
        """See `Memories.begin_elsewhere`: its first frame is found by what is remembered, as every other."""
        for each in self._objects:
            each.last_append = clock

    def move_clock(self, seconds: float) -> None:
        """See `Memories.move_clock`."""
        for each in self._objects:
            each.last_append += seconds

    def clear(self) -> None:
        """See `Memories.clear`."""
        self._set([])

    def remove(self, object_id: int) -> None:
        """See `Memories.remove`."""
        gone = self._of(object_id)
        self._set([each for each in self._objects if each is not gone])

    def logits(self) -> Array:
        """See `Memories.logits`."""
        return self._device.download(self._logits)

    def probabilities(self) -> Probabilities:
        """See `Memories.probabilities`."""
        if len(self) <= GROUP_SIZE:
            return self._labeller.probabilities(self.logits())
        return probabilities(self._own_logits(), self.ids, self.source_hw)

    def seen(self, label: LabelMap) -> dict[int, Seen]:
        """See `Memories.seen`."""
        return self._labeller.seen(label, self._logits)

    def _remember(
        self,
        each: TrackedObject,
        interval: float,
        frame: int,
        clock: float,
        label: LabelMap | None,
        watch: Stopwatch,
    ) -> MemoryUpdate:
        if label is None:
            return each.remember(self._features, frame, clock, interval, watch)
        mask = label == each.object_id
        if not mask.any():
            return each.remember_absence(self._features, frame, clock, interval, watch)
        with watch("memorize"):
            given = network_mask(mask, self.grids.hw)
            left = each.label(self._features, given, frame, clock, self._graphs.aside)
        return each.updated(left)

    def _note(
        self,
        each: TrackedObject,
        before: TrackMemory,
        logits: DeviceTensor,
        frame: int,
        latest: tuple[int, LabelMap],
    ) -> None:
        """Shows a correction of the latest frame, and keeps what it takes to undo it."""
        if frame == latest[0]:
            self._device.copy(self._graphs.aside.logits, each.found.logits)
        self._corrections.add(Correction(each.object_id, each.number, before, logits, *latest, self.ids))

    def _copied(self, tensor: DeviceTensor) -> DeviceTensor:
        copy = self._device.empty(tensor.shape, tensor.dtype)
        self._device.copy(tensor, copy)
        return copy

    def _seen_at(self, clicks: Clicks, features: Tensors) -> tuple[Mask, Single]:
        self._graphs.begin(features)
        self._graphs.click(features, clicks, self._graphs.aside)
        return self._seen_aside(clicks)

    def _seen_aside(self, clicks: Clicks) -> tuple[Mask, Single]:
        """What was found aside by clicks: bool H x W at source size, and 0 and 1 at network size."""
        logits = self._device.download(self._graphs.aside.logits)
        shown: Mask = mask_of(logits, self.source_hw) > 0
        mask = mask_of(logits, self.grids.hw)
        if not shown.any() or not mask.any():
            raise clicks.unseen()
        return shown, mask

    def _of(self, object_id: int) -> TrackedObject:
        """The object of the caller's id."""
        return next(each for each in self._objects if each.object_id == object_id)

    def _labelled(self) -> LabelMap:
        """On the host where there is more than one set: merged as groups are, they would not be as exact."""
        if len(self) <= GROUP_SIZE:
            return self._labeller.label(self._logits, self._labels)
        return decided(self._own_logits(), self.ids, self.source_hw)

    def _own_logits(self) -> Array:
        """Of the objects, n x h4 x w4, on the host."""
        logits = self.logits()[:, 1:]
        return logits.reshape(-1, *logits.shape[2:])[: len(self)]

    def _new(self, ids: Sequence[int], options: MemoryOptions) -> list[TrackedObject]:
        """Objects without a memory yet."""
        made = []
        for i in ids:
            found, chooser = self._graphs.new_found(), self._chooser(options)
            number = next(self._numbers)
            made.append(TrackedObject(self._graphs, number, i, options.capacity, found, chooser))
        return made

    def _chooser(self, options: MemoryOptions) -> Chooser | None:
        key = options.policy, options.capacity
        if key not in self._choosers:
            self._choosers = {key: choosers(self._backend, self._graphs, options)}
        return self._choosers[key]()

    def _set(self, objects: list[TrackedObject]) -> None:
        """Follows these objects alone, their logits where their places are."""
        self._labeller.follow([TenObjects(ids) for ids in in_groups([each.object_id for each in objects])])
        self._allocate(len(objects))
        for i, each in enumerate(objects):
            place = self._logits.at(i // GROUP_SIZE).at(1 + i % GROUP_SIZE)
            self._device.copy(each.found.logits, place)
            each.found = replace(each.found, logits=place)
        self._objects = objects
        self._corrections.keep([each.number for each in objects])

    def _allocate(self, count: int) -> None:
        shape, dtype = self.logits_shape(count), self._graphs.logits_info.dtype
        self._logits = self._device.empty(shape, dtype)
        self._labels = self._device.empty((shape[0], *self.grids.hw), np.uint8)
        if count:
            self._device.upload(np.zeros(shape, dtype), self._logits)
