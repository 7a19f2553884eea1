"""The memory bank: a bounded set of past frames' keys and values, overwritten in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.attention import Recall
from ermu.kernels.base.scoring import Kernels, KeyGram
from ermu.runtime.backends.base import Backend, DeviceTensor, resolve
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.temporal import temporal_row


class MemoryBank:
    """T slots in use, contiguous from the first, of one buffer a tensor; nothing is shifted or concatenated.

    Attention does not depend on the order of the slots once every slot has its temporal row, so an evicted
    slot is simply overwritten by the frame that takes its place.

    Args:
        backend: Holds the buffers.
        tensors: The bank's tensors as `propagate` names them (`key0`, `value0`, ...), leading axis T.
        symbols: Values of h and w.
        temporal: The temporal embedding, 4 x D.
        slots: Slots to allocate; `write` to the next free slot grows them when they are used up.
        kernels: Given when redundancy will be asked for: keeps `KeyGram` up to date.
        recalls: One a block where our own attention reads the bank: it then holds keys and values packed,
            and of the buffers only block 0's keys are kept, for the redundancy.
    """

    def __init__(
        self,
        backend: Backend,
        tensors: Sequence[TensorInfo],
        symbols: Mapping[str, int],
        temporal: npt.NDArray[np.float32],
        slots: int,
        kernels: Kernels | None = None,
        recalls: Sequence[Recall] = (),
    ) -> None:
        self._backend, self._symbols, self._temporal = backend, symbols, temporal
        self._tensors = [t for t in tensors if t.name == "key0"] if recalls else tensors
        self._recalls = recalls
        self._slots = slots
        self._buffers = self._allocate(slots)
        self._rows = backend.empty((slots, temporal.shape[1]), np.float32)
        self._gram: KeyGram | None = kernels.key_gram(slots, temporal.shape[1]) if kernels else None
        self.slot_frames: list[int] = []

    def __len__(self) -> int:
        return len(self.slot_frames)

    @property
    def order(self) -> npt.NDArray[np.int32]:
        """Slots from the oldest frame to the newest."""
        return np.argsort(np.asarray(self.slot_frames, np.int64)).astype(np.int32)

    @property
    def frames(self) -> list[int]:
        """Frame numbers held, oldest first."""
        return sorted(self.slot_frames)

    def inputs(self) -> dict[str, DeviceTensor]:
        """What `propagate` binds: the temporal rows and the slots in use."""
        held = len(self)
        return {"rows": self._rows.first(held), **{k: v.first(held) for k, v in self._buffers.items()}}

    def track_redundancy(self, kernels: Kernels) -> None:
        """Begins to keep the key gram, from the slots in use, unless it is kept already."""
        if self._gram is None:
            self._gram = kernels.key_gram(self._slots, self._temporal.shape[1])
            for slot in range(len(self)):
                self._gram.update(slot, self.keys())

    def rows(self) -> npt.NDArray[np.float32]:
        """Temporal row of each slot in use, T x D."""
        held, order = len(self), self.order
        rows = np.empty((held, self._temporal.shape[1]), np.float32)
        rows[order] = self._temporal[[temporal_row(t, held) for t in range(held)]]
        return rows

    def redundancy(self) -> npt.NDArray[np.floating]:
        """Redundancy of each slot in use (`spec/ermu.md` step 3), slot order."""
        assert self._gram is not None, "a bank without kernels keeps no key gram"
        return self._gram.redundancy(self.rows())

    def write(self, slot: int, frame: int, entry: Mapping[str, DeviceTensor]) -> None:
        """Puts a frame's entry into a slot: one in use, or the next free one (`len(self)`).

        Args:
            slot: 0 <= slot <= len(self).
            frame: Its frame number.
            entry: A tensor for each of the bank's, without the leading axis.
        """
        if slot == len(self):
            if slot == self._slots:
                self._grow()
            self.slot_frames.append(frame)
        else:
            self.slot_frames[slot] = frame
        for name, buffer in self._buffers.items():
            self._backend.copy(entry[name], buffer.at(slot))
        for block, recall in enumerate(self._recalls):
            recall.write(slot, *(self._tokens(entry[f"{kind}{block}"]) for kind in ("key", "value")))
        self._backend.upload(self.rows(), self._rows.first(len(self)))
        if self._gram is not None:
            self._gram.update(slot, self.keys())

    def recall(
        self,
        block: int,
        query: npt.NDArray[np.float32],
        out: npt.NDArray[np.float32],
        masses: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Attention of a frame's tokens on every slot in use; arguments as `Recall.read`."""
        self._recalls[block].read(query, self.rows(), out, masses)

    def keys(self) -> Any:
        """Block 0's keys as the kernels take them: T x N x D, without temporal rows."""
        return self._tokens(self._buffers["key0"].first(len(self)))

    def _tokens(self, tensor: DeviceTensor) -> Any:
        """... x h x w x C as the kernels take it: ... x N x C."""
        *leading, h, w, width = tensor.shape
        shape = (*leading, h * w, width)
        return self._backend.for_kernels(DeviceTensor(tensor.address, shape, tensor.dtype, tensor.owner))

    def _allocate(self, slots: int) -> dict[str, DeviceTensor]:
        symbols = {**self._symbols, "T": slots}
        return {t.name: self._backend.empty(resolve(t.shape, symbols), t.dtype) for t in self._tensors}

    def _grow(self) -> None:
        """Doubles the buffers; only an unbounded bank ever gets here."""
        old, held = self._buffers, len(self)
        self._slots *= 2
        self._buffers = self._allocate(self._slots)
        self._rows = self._backend.empty((self._slots, self._temporal.shape[1]), np.float32)
        for name, buffer in old.items():
            self._backend.copy(buffer.first(held), self._buffers[name].first(held))
