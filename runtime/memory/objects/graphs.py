"""The graphs of a network that follows every object by itself, called by what they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import Grids, resolve
from ermu.runtime.memory.objects.bank import Limits, ObjectBank, Single
from ermu.runtime.memory.objects.clicks import Clicks
from ermu.runtime.memory.objects.slots import Slots

Tensors = Mapping[str, DeviceTensor]
_ALIGNED = 64  # numbers: where an object's ages begin, a GPU's library reads them where they lie


@dataclass(frozen=True)
class Found:
    """What a network says of an object on a frame.

    Attributes:
        logits: h4 x w4.
        presence: (1,), the logit of its being there.
        pointer: (C,).
    """

    logits: DeviceTensor
    presence: DeviceTensor
    pointer: DeviceTensor


class ObjectGraphs:
    """Runs them for one object at a time; what they hand to each other lies here, for all objects in turns.

    Args:
        backend: Runs the graphs.
        grids: Network input size.

    Attributes:
        hw: Network input size.
        entry: What `memorize` and `memorize_prompt` leave, M x Cm.
        aside: For what is found on a frame that is not the latest, or of a mask alone.
    """

    def __init__(self, backend: Backend, grids: Grids) -> None:
        manifest = backend.bundle.object_manifest
        self._backend, self._device, self._plan = backend, backend.device, backend.object_plan
        self._symbols, self.hw = grids.symbols(), grids.hw
        self._described: dict[Role, TensorInfo] = {t.role: t for t in manifest.tensors}
        self._table = np.asarray(manifest.memory_rows, np.float32)
        self._most_pointers = manifest.most_pointers
        self._conditioned = self._empty(Role.CONDITIONED)
        self._mask, self.entry = self._empty(Role.MASK), self._empty(Role.MEMORIZED)
        self._make_places(1)
        self.aside = self.new_found()

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of a memory frame, M x Cm, and of a pointer, C."""
        return self.entry.shape, self.aside.pointer.shape

    @property
    def logits_info(self) -> TensorInfo:
        """Of an object's logits."""
        return self._described[Role.LOGITS]

    def limits(self, capacity: int) -> Limits:
        """How much is remembered of an object with a bank of this capacity."""
        return Limits(capacity, self._most_pointers)

    def new_bank(self, capacity: int) -> ObjectBank:
        """An empty bank.

        Raises:
            BackendError: there is not enough memory.
        """
        limits = self.limits(capacity)
        memory, pointers = (
            Slots(self._device, resolve(info.shape, self._symbols), info.dtype, room)
            for info, room in (
                (self._described[Role.MEMORIZED], limits.memory_room),
                (self._described[Role.POINTER], limits.pointer_room),
            )
        )
        return ObjectBank(memory, pointers, limits)

    def new_found(self, logits: DeviceTensor | None = None) -> Found:
        """Room for what is found, its logits where they are given."""
        held = self._empty(Role.LOGITS) if logits is None else logits
        return Found(held, self._empty(Role.PRESENCE), self._empty(Role.POINTER))

    def take_aside(self, found: Found) -> None:
        """Copies what was found aside."""
        for name in ("logits", "presence", "pointer"):
            self._device.copy(getattr(self.aside, name), getattr(found, name))

    def place(self, banks: Sequence[ObjectBank], frame: int) -> None:
        """Says how old everything is that is remembered, for `recall`: of all objects at once.

        Args:
            banks: Of the objects that will be found.
            frame: Number of the frame on which they will be.
        """
        if len(banks) > self._rows.shape[0]:
            self._make_places(2 * len(banks))
        rows = np.zeros((len(banks), *self._rows.shape[1:]), np.float32)
        ages = np.zeros((len(banks), *self._ages.shape[1:]), np.float32)
        for i, bank in enumerate(banks):
            rows[i, : len(bank.memory)] = bank.rows(self._table)
            ages[i, : len(bank.pointers)] = bank.pointer_ages(frame)
        self._device.upload(rows, self._rows.first(len(banks)))
        self._device.upload(ages, self._ages.first(len(banks)))

    def recall(self, features: Tensors, bank: ObjectBank, i: int) -> None:
        """What an object's memories make of a frame's features: `segment` and `click` will find it.

        Args:
            features: Of the frame.
            bank: Of the object.
            i: Its place among those of `place`.
        """
        held = {
            Role.MEMORIES: bank.memory.held,
            Role.MEMORY_ROWS: self._rows.at(i).first(len(bank.memory)),
            Role.POINTERS: bank.pointers.held,
            Role.POINTER_AGES: self._ages.at(i).first(len(bank.pointers)),
            Role.CONDITIONED: self._conditioned,
        }
        self._run(self._plan.recall, features, held)

    def begin(self, features: Tensors) -> None:
        """As `recall`, of an object that has no memory yet."""
        self._device.copy(features[self._described[Role.UNCONDITIONED].name], self._conditioned)

    def segment(self, features: Tensors, found: Found) -> None:
        """Where the object is, after `recall`; written into `found`."""
        self._run(self._plan.segment, features, {Role.CONDITIONED: self._conditioned, **_roles(found)})

    def click(self, features: Tensors, clicks: Clicks, found: Found) -> None:
        """Where the object is, given clicks, after `recall` or `begin`; written into `found`."""
        given = {
            Role.POINTS: self._uploaded(clicks.points, Role.POINTS),
            Role.POINT_SIGNS: self._uploaded(clicks.signs, Role.POINT_SIGNS),
        }
        held = {Role.CONDITIONED: self._conditioned, **given, **_roles(found)}
        self._run(self._plan.point, features, held)

    def label(self, features: Tensors, mask: Single, found: Found) -> None:
        """What a mask, H x W of 0 and 1 at network size, says of an object; written into `found`."""
        self._device.upload(mask, self._mask)
        self._run(self._plan.label, features, {Role.MASK: self._mask, **_roles(found)})

    def memorize(self, features: Tensors, found: Found) -> None:
        """What is to be remembered of a frame: in `entry`."""
        self._run(self._plan.memorize, features, {**_roles(found), Role.MEMORIZED: self.entry})

    def memorize_prompt(self, features: Tensors, mask: Single, found: Found) -> None:
        """The same of a frame with a prompt, whose mask, H x W of 0 and 1 at network size, is certain."""
        self._device.upload(mask, self._mask)
        held = {**_roles(found), Role.MASK: self._mask, Role.MEMORIZED: self.entry}
        self._run(self._plan.memorize_prompt, features, held)

    @property
    def queries_shape(self) -> tuple[int, ...]:
        """Of what `score` gives, Q x M x D.

        Raises:
            KeyError: the bundle has no such graph.
        """
        return resolve(self._described[Role.MEMORY_QUERIES].shape, self._symbols)

    def score(
        self, features: Tensors, bank: ObjectBank, frame: int, queries: DeviceTensor, keys: DeviceTensor
    ) -> None:
        """What the first attention on memory frames compares.

        Args:
            features: Of the frame.
            bank: Of the object.
            frame: The frame's number.
            queries: Q x M x D, written.
            keys: T x M x D, written.
        """
        assert self._plan.score is not None, "check_options has refused such a bundle"
        self.place([bank], frame)
        held = {
            Role.MEMORIES: bank.memory.held,
            Role.MEMORY_ROWS: self._rows.at(0).first(len(bank.memory)),
            Role.MEMORY_QUERIES: queries,
            Role.MEMORY_KEYS: keys,
        }
        self._run(self._plan.score, features, held)

    def described(self, role: Role) -> TensorInfo:
        """A tensor of the graphs."""
        return self._described[role]

    def _make_places(self, count: int) -> None:
        """Room for the ages of so many objects' memories."""
        largest, rows = self.limits(len(self._table)), self._described[Role.MEMORY_ROWS]
        ages = -(-largest.pointer_room // _ALIGNED) * _ALIGNED
        width = self._table.shape[1]
        self._rows = self._device.empty((count, largest.memory_room, width), rows.dtype)
        self._ages = self._device.empty((count, ages), self._described[Role.POINTER_AGES].dtype)

    def _run(self, graph: str, features: Tensors, held: Mapping[Role, DeviceTensor]) -> None:
        named = {self._described[role].name: tensor for role, tensor in held.items()}
        self._backend.run(graph, {**features, **named})

    def _empty(self, role: Role) -> DeviceTensor:
        info = self._described[role]
        return self._device.empty(resolve(info.shape, self._symbols), info.dtype)

    def _uploaded(self, array: Single, role: Role) -> DeviceTensor:
        tensor = self._device.empty(array.shape, self._described[role].dtype)
        self._device.upload(array, tensor)
        return tensor


def _roles(found: Found) -> dict[Role, DeviceTensor]:
    return {Role.LOGITS: found.logits, Role.PRESENCE: found.presence, Role.POINTER: found.pointer}
