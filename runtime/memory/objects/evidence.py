"""What the first attention on an object's memory frames saw on a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.errors import OptionError
from ermu.kernels.base.scoring import KeyGram
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.roles import Role
from ermu.runtime.memory.objects.bank import ObjectBank
from ermu.runtime.memory.objects.graphs import ObjectGraphs, Tensors
from ermu.runtime.memory.policy import Evidence
from ermu.types import Vector

_HEADS = 1  # of attention on memories, in every network that has the graph


class Scorer:
    """Runs graph and kernels for one object at a time, which lie here for all objects in turns.

    Args:
        backend: Runs them.
        graphs: Of the network, with the graph `score`.
        room: Memory frames at most.

    Raises:
        OptionError: the kernels cannot score this network.
    """

    def __init__(self, backend: Backend, graphs: ObjectGraphs, room: int) -> None:
        self._backend, self._device, self._graphs = backend, backend.device, graphs
        self._scoring, self._room = backend.kernels.scoring, room
        _, _, self._width = shape = graphs.queries_shape
        widths = self._scoring.head_channels
        if widths is not None and self._width not in widths:
            raise OptionError(
                f"The kernels '{self._scoring.name}' cannot score heads of {self._width} channels.",
                expected=" or ".join(map(str, widths)),
                fix="--policy fifo, or run on the CPU",
            )
        queries, keys = (graphs.described(role) for role in (Role.MEMORY_QUERIES, Role.MEMORY_KEYS))
        self._queries = self._device.empty(shape, queries.dtype)
        self._keys = self._device.empty((room, *shape[1:]), keys.dtype)
        self._masses = self._device.empty((shape[0] * shape[1] * room,), np.float32)
        self._out = self._device.empty((room,), np.float64)
        self._two: DeviceTensor | None = None  # a background whose logit is 0, and the object's logits
        self._foreground = self._zeros((shape[0] * shape[1],), np.float32)

    def relevance(self, features: Tensors, bank: ObjectBank, logits: DeviceTensor, frame: int) -> Vector:
        """The share of the frame's attention on memory frames that each of them gets, (T,); sums to 1."""
        slots, argument = len(bank.memory), self._device.kernel_argument
        keys = self._keys.first(slots)
        self._graphs.score(features, bank, frame, self._queries, keys)
        self._weigh(logits)
        rows = np.zeros((slots, self._width), np.float32)  # the keys have theirs
        foreground, out = argument(self._foreground), self._out.first(slots)
        parts, tokens, _ = self._queries.shape
        if parts == 1:
            queries = argument(self._queries.at(0))
            self._scoring.relevance(queries, argument(keys), rows, foreground, argument(out), heads=_HEADS)
        else:
            masses = self._masses.first(parts * tokens * slots).reshaped(parts, tokens, slots)
            for i in range(parts):
                of_part = argument(masses.at(i))
                self._scoring.frame_masses(
                    argument(self._queries.at(i)), argument(keys), rows, of_part, heads=_HEADS
                )
            every = argument(masses.reshaped(parts * tokens, slots))
            self._scoring.weigh_masses(every, foreground, argument(out))
        return self._downloaded(out)

    def new_gram(self, bank: ObjectBank) -> KeyGram:
        """An empty gram for an object's memory frames."""
        return self._scoring.key_gram(self._room, bank.memory.held.shape[-1])

    def redundancy(self, bank: ObjectBank, gram: KeyGram, known: list[int]) -> Vector:
        """How much of what the memory frames share each of them shares, (T,).

        Args:
            bank: Of the object.
            gram: Of that object.
            known: Stamps of what the gram has taken in; brought up to date.
        """
        held, argument = bank.memory.held, self._device.kernel_argument
        for slot, stamp in enumerate(bank.memory.stamps):
            if known[slot : slot + 1] != [stamp]:
                gram.update(slot, argument(held))
        known[:] = bank.memory.stamps
        out = self._out.first(len(known))
        gram.redundancy(np.zeros((len(known), held.shape[-1]), np.float32), argument(out))
        return self._downloaded(out)

    def _weigh(self, logits: DeviceTensor) -> None:
        """The sigmoid of the logits at stride 16: of the softmax beside a background of 0, all but that."""
        if self._two is None:
            self._two = self._zeros((2, *logits.shape), logits.dtype)
        self._device.copy(logits, self._two.at(1))
        height, width = (side // 4 for side in logits.shape)
        argument = self._device.kernel_argument
        self._scoring.foreground(
            argument(self._two),
            np.ones(2, np.bool_),
            argument(self._foreground.first(height * width)),
            align_corners=False,
        )

    def _zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceTensor:
        made = self._device.empty(shape, dtype)
        self._device.upload(np.zeros(shape, dtype), made)
        return made

    def _downloaded(self, out: DeviceTensor) -> Vector:
        values: Any = self._device.download(out)
        self._backend.kernels.check_faults()
        return np.array(values)


class ObjectEvidence(Evidence):
    """Asks the scorer about an object's bank.

    Args:
        scorer: Computes.
        bank: The object's.
        seen: Features of the frame, the object's logits there, and the frame's number.
        gram: The object's key gram.
        known: What it has taken in.
    """

    def __init__(
        self,
        scorer: Scorer,
        bank: ObjectBank,
        seen: tuple[Tensors, DeviceTensor, int],
        gram: KeyGram,
        known: list[int],
    ) -> None:
        self._scorer, self._bank, self._seen = scorer, bank, seen
        self._gram, self._known = gram, known
        self.slot_frames = list(bank.memory.frames)

    @property
    def candidates(self) -> npt.NDArray[np.intp]:
        """Slots of frames without a prompt; see `Evidence.candidates`."""
        others = set(self._bank.remembered)
        return np.array([slot for slot in self.order if self.slot_frames[slot] in others], np.intp)

    def relevance(self) -> Vector:
        """See `Evidence.relevance`."""
        features, logits, frame = self._seen
        return self._scorer.relevance(features, self._bank, logits, frame)

    def redundancy(self) -> Vector:
        """See `Evidence.redundancy`."""
        return self._scorer.redundancy(self._bank, self._gram, self._known)
