"""The memory bank: a bounded set of past frames' keys and values, overwritten in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.attention import KeyValueCache, SlotCodes
from ermu.kernels.base.scoring import KeyGram, Scoring
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Kind
from ermu.runtime.bundle.sizes import resolve
from ermu.runtime.bundle.temporal import temporal_row
from ermu.runtime.memory.cohorts.slots import Slots
from ermu.types import Array

_ROWS = "temporal rows"  # among the tensors of a slot


@dataclass(frozen=True)
class BankContents:
    """What a bank holds, on the host.

    Attributes:
        frames: Frame of each of the T slots.
        tensors: By name, the network's memory tensors, T x h x w x C: all of them, or where a narrow cache
            holds the rest, block 0's keys alone.
        codes: By block, the slots of such caches; empty without.
        precision: Of these caches.
    """

    frames: list[int]
    tensors: dict[str, Array]
    codes: list[list[SlotCodes]] = field(default_factory=list)
    precision: str = "fp32"


@dataclass(frozen=True)
class BankLayout:
    """What the banks of a network hold.

    Attributes:
        device: Holds the slots.
        tensors: The network's memory tensors (role MEMORY), G x T x ....
        symbols: Values of h and w.
        temporal: The temporal embedding, 4 x D float32; 0 x D in a network without, whose rows are zeros.
        cached: Whether the kernels' attention reads the banks: keys and values then lie in their caches, and
            of the slots only block 0's keys are kept, for the redundancy.
    """

    device: Device
    tensors: Sequence[TensorInfo]
    symbols: Mapping[str, int]
    temporal: npt.NDArray[np.float32]
    cached: bool

    @property
    def scored_keys(self) -> str:
        """Name of block 0's keys."""
        return next(t.name for t in self.tensors if t.block == 0 and t.kind is Kind.KEY)

    @property
    def kept(self) -> list[TensorInfo]:
        """The tensors that slots have."""
        return [t for t in self.tensors if not self.cached or t.name == self.scored_keys]

    @property
    def placed(self) -> bool:
        """Whether a graph reads their temporal rows."""
        return bool(len(self.temporal)) and not self.cached

    def slots(self, banks: int, room: int) -> Slots:
        """Empty ones for banks side by side.

        Raises:
            BackendError: there is not enough memory.
        """
        contents = {t.name: (resolve(t.shape[2:], self.symbols), np.dtype(t.dtype)) for t in self.kept}
        if self.placed:
            contents[_ROWS] = (self.temporal.shape[1],), np.dtype(np.float32)
        return Slots(self.device, contents, banks, room)


class MemoryBank:
    """T slots in use, contiguous from the first; no frame is shifted when another leaves.

    Attention does not depend on the order of the slots once every slot has its temporal row, so an evicted
    slot is simply overwritten by the frame that takes its place.

    Args:
        layout: Of what it holds.
        slots: Where: its own, or those of banks side by side, which are written one after another.
        row: Of these.
        caches: One a block where the kernels' attention reads the bank.
        scoring: Given when redundancy will be asked for: keeps a `KeyGram` up to date.

    Attributes:
        store: The slots.
        row: Of these; it moves where banks beside it go.
        slot_frames: Frame of each slot in use.
    """

    def __init__(
        self,
        layout: BankLayout,
        slots: Slots,
        row: int = 0,
        *,
        caches: Sequence[KeyValueCache] = (),
        scoring: Scoring | None = None,
    ) -> None:
        self._layout, self._device, self._temporal = layout, layout.device, layout.temporal
        self.store, self.row, self._caches = slots, row, caches
        self._sources = {(t.block, t.kind): str(t.source) for t in layout.tensors}
        self._gram: KeyGram | None = None
        self.slot_frames: list[int] = []
        if scoring is not None:
            self.track_redundancy(scoring)

    def __len__(self) -> int:
        return len(self.slot_frames)

    @property
    def frames(self) -> list[int]:
        """Frame numbers held, oldest first."""
        return sorted(self.slot_frames)

    def slots(self) -> dict[str, DeviceTensor]:
        """The memory tensors by name, T x ...: the slots in use."""
        held = self._row()
        return {t.name: held[t.name] for t in self._layout.kept}

    def read_by_graphs(self, rows: Sequence[str]) -> dict[str, DeviceTensor]:
        """What the graph of the plan `whole` reads, of this bank and those beside it, which hold as many.

        Args:
            rows: Names that it has for the temporal rows.

        Returns:
            By name, G x T x ....
        """
        tensors = self.store.tensors()
        for name in rows:
            tensors[name] = tensors[_ROWS]
        return tensors

    def rows(self) -> npt.NDArray[np.float32]:
        """Temporal row of each slot in use, T x D, on the host."""
        held, order = len(self), np.argsort(self.slot_frames)
        rows = np.zeros((held, self._temporal.shape[1]), np.float32)
        if not len(self._temporal):
            return rows
        rows[order] = self._temporal[[temporal_row(t, held) for t in range(held)]]
        return rows

    def keys(self) -> Any:
        """Block 0's keys as the kernels take them: T x N x D, without temporal rows."""
        return self._device.kernel_argument(_tokens(self._row()[self._layout.scored_keys]))

    def read(self, block: int, query: Any, out: Any, masses: Any = None) -> None:
        """Attention of a frame's tokens on every slot in use; arguments as `KeyValueCache.read`."""
        self._caches[block].read(query, self.rows(), out, masses)

    def write(self, slot: int, frame: int, entry: Mapping[str, DeviceTensor]) -> None:
        """Puts a frame's entry into a slot: one in use, or the next free one (`len(self)`).

        Args:
            slot: 0 <= slot <= len(self).
            frame: Its frame number.
            entry: The frame's ENTRY tensors by name, h x w x C.
        """
        if slot == len(self):
            self.store.hold(max(slot + 1, self.store.held))
            self.slot_frames.append(frame)
        else:
            self.slot_frames[slot] = frame
        held = self._row()
        for tensor in self._layout.kept:
            self._device.copy(entry[str(tensor.source)], held[tensor.name].at(slot))
        for block, cache in enumerate(self._caches):
            halves = (entry[self._sources[block, kind]] for kind in (Kind.KEY, Kind.VALUE))
            cache.write(slot, *(self._device.kernel_argument(_tokens(half)) for half in halves))
        self._place(held)
        if self._gram is not None:
            self._gram.update(slot, self.keys())

    def sharing(
        self, slots: Sequence[int], *, room: int | None = None, scoring: Scoring | None = None
    ) -> MemoryBank:
        """A bank of some of the slots, in the order given; what is done to either leaves the other alone.

        Args:
            slots: Of those in use.
            room: Slots to allocate; default, as many as here.
            scoring: Keeps its redundancy.

        Raises:
            BackendError: there is not enough memory; this bank is as it was.
        """
        caches = [cache.sharing(slots) for cache in self._caches]
        bank = MemoryBank(self._layout, self._layout.slots(1, room or self.store.room), caches=caches)
        bank.store.hold(len(slots))
        bank.slot_frames = [self.slot_frames[slot] for slot in slots]
        held = self.slots()
        for name, buffer in bank.slots().items():
            for target, slot in enumerate(slots):
                self._device.copy(held[name].at(slot), buffer.at(target))
        bank._place(bank._row())
        if scoring is not None:
            bank.track_redundancy(scoring)
        return bank

    def copied(self) -> Callable[[], BankContents]:
        """What the bank holds now, to be had later and in any thread: what is done to it meanwhile is not."""
        caches = [cache.sharing(range(len(self))) for cache in self._caches]
        frames, exact = list(self.slot_frames), bool(caches) and caches[0].precision == "fp32"
        tensors = {} if exact else {name: self._device.download(held) for name, held in self.slots().items()}
        symbols, described = {**self._layout.symbols, "T": len(self)}, self._layout.tensors

        def contents() -> BankContents:
            codes = [[cache.codes(slot) for slot in range(len(frames))] for cache in caches]
            if caches and not exact:
                return BankContents(frames, tensors, codes, caches[0].precision)
            for t in described if exact else ():
                tensors[t.name] = _stacked(codes[t.block or 0], t.kind).reshape(resolve(t.shape[1:], symbols))
            return BankContents(frames, tensors)

        return contents

    def fill(self, contents: BankContents) -> None:
        """Takes in what another bank held; this one is empty.

        To the bit, where that one kept keys and values in this precision; else as its precision had them.
        """
        self.store.hold(max(len(contents.frames), self.store.held))
        self.slot_frames = list(contents.frames)
        for tensor in self._layout.kept:
            held = self.slots()[tensor.name]
            self._device.upload(_numbers(contents, tensor).reshape(held.shape), held)
        for block, cache in enumerate(self._caches):
            self._fill_cache(block, cache, contents)
        self._place(self._row())
        if self._gram is not None:
            for slot in range(len(self)):
                self._gram.update(slot, self.keys())

    @property
    def tracks_redundancy(self) -> bool:
        """Whether `redundancy` may be asked for."""
        return self._gram is not None

    def track_redundancy(self, scoring: Scoring) -> None:
        """Begins to keep the key gram, from the slots in use, unless it is kept already."""
        if self._gram is None:
            self._gram = scoring.key_gram(self.store.room, self._temporal.shape[1])
            for slot in range(len(self)):
                self._gram.update(slot, self.keys())

    def redundancy(self, out: Any) -> None:
        """Redundancy of each slot in use, slot order; `out` as `KeyGram.redundancy` takes it."""
        assert self._gram is not None, "the policy did not say that it needs redundancy"
        self._gram.redundancy(self.rows(), out)

    def _fill_cache(self, block: int, cache: KeyValueCache, contents: BankContents) -> None:
        if contents.codes and contents.precision == cache.precision:
            for codes in contents.codes[block]:
                cache.put(codes)
            return
        halves = {t.kind: _numbers(contents, t) for t in self._layout.tensors if t.block == block}
        for slot in range(len(self)):
            key, value = (halves[kind][slot].astype(np.float32) for kind in (Kind.KEY, Kind.VALUE))
            cache.write(slot, key.reshape(-1, key.shape[-1]), value.reshape(-1, value.shape[-1]))

    def _row(self) -> dict[str, DeviceTensor]:
        """By name, the slots in use of this bank; those beside it may have one more already."""
        return {name: tensor.first(len(self)) for name, tensor in self.store.row(self.row).items()}

    def _place(self, held: Mapping[str, DeviceTensor]) -> None:
        """Writes the temporal rows where a graph reads them; the order of the frames has changed."""
        if self._layout.placed and len(self):
            self._device.upload(self.rows(), held[_ROWS])


def _tokens(tensor: DeviceTensor) -> DeviceTensor:
    """... x h x w x C as the kernels take it: ... x N x C."""
    *leading, h, w, width = tensor.shape
    return tensor.reshaped(*leading, h * w, width)


def _stacked(slots: Sequence[SlotCodes], kind: Kind | None) -> Array:
    """One half of every slot's numbers, T x N x C, which nothing has rounded."""
    return np.stack([slot.key if kind is Kind.KEY else slot.value for slot in slots])


def _numbers(contents: BankContents, tensor: TensorInfo) -> Array:
    """A memory tensor's numbers, T x ... x C."""
    if tensor.name in contents.tensors:
        return contents.tensors[tensor.name]
    half = 0 if tensor.kind is Kind.KEY else 1
    return np.stack([slot.numbers[half] for slot in contents.codes[tensor.block or 0]]).astype(tensor.dtype)
