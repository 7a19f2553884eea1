"""A group: up to ten objects that began on the same frame, with memories of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.attention import Recall
from ermu.kernels.base.scoring import Kernels
from ermu.runtime.backends.base import Backend, DeviceTensor
from ermu.runtime.bundle.manifest import Manifest, TensorInfo
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.images.labels import GROUP_SIZE, LabelMap
from ermu.runtime.memory.bank import MemoryBank
from ermu.runtime.memory.policy import Decision, EvictionPolicy
from ermu.runtime.memory.propagation import Propagation, open_propagation, propagation_graphs

Tensors = dict[str, DeviceTensor]


@dataclass(frozen=True)
class MemoryUpdate:
    """What a frame did to a group's memory bank.

    Attributes:
        group: The group's number, never used again by the same `Segmenter`.
        ids: The caller's ids of its objects.
        frames: Frame numbers held afterwards, oldest first.
        evicted: The frame that left, if one did.
        decision: The policy's vectors, over the frames held before the append.
    """

    group: int
    ids: list[int]

    frames: list[int]
    evicted: int | None
    decision: Decision


class Evidence:
    """What block 0's long-term attention saw on the current frame, computed only when a policy asks."""

    def __init__(
        self,
        bank: MemoryBank,
        kernels: Kernels,
        propagation: Propagation,
        logits: Any,
        active: npt.NDArray[np.bool_],
    ) -> None:
        self._bank, self._kernels, self._propagation = bank, kernels, propagation
        self._logits, self._active = logits, active

    @property
    def slot_frames(self) -> list[int]:
        return self._bank.slot_frames

    @cached_property
    def order(self) -> npt.NDArray[np.int32]:
        return self._bank.order

    def relevance(self) -> npt.NDArray[np.floating]:
        foreground = self._kernels.foreground(self._logits, self._active)
        return self._propagation.relevance(self._bank, foreground)

    def redundancy(self) -> npt.NDArray[np.floating]:
        return self._bank.redundancy()


class ObjectGroup:
    """Reads and writes the memories of its objects; the encoder's output is shared with other groups.

    Args:
        backend: Runs the graphs.
        kernels: Score the bank.
        manifest: Of the bundle.
        grids: Network input size.
        number: Of the group.
        ids: The caller's ids, at most ten; object i has identity channel i + 1.
        policy: Fresh, for this group alone.
        capacity: Frames the bank may hold, where the policy is bounded.
    """

    def __init__(
        self,
        backend: Backend,
        kernels: Kernels,
        manifest: Manifest,
        grids: Grids,
        number: int,
        ids: Sequence[int],
        policy: EvictionPolicy,
        capacity: int,
    ) -> None:
        self._backend, self._kernels, self._manifest = backend, kernels, manifest
        self.number, self._policy, self._capacity = number, policy, capacity
        self.channel_ids: list[int | None] = [*ids, *[None] * (GROUP_SIZE - len(ids))]
        symbols = grids.symbols()
        self._propagation = open_propagation(backend, kernels, manifest, symbols)
        banked = _banked(manifest)
        self._short = [f"short_{t.name}" for t in banked]
        keeper = kernels if policy.needs_redundancy else None
        recalls = _recalls(backend, manifest, grids, capacity)
        temporal = np.asarray(manifest.temporal_rows, np.float32)
        self.bank = MemoryBank(backend, banked, symbols, temporal, capacity, keeper, recalls)
        propagated = [t for graph in propagation_graphs(manifest) for t in graph.outputs]
        self._kept = backend.allocate([t for t in propagated if t.name.startswith("carry_")], symbols)
        tokens = [t for t in manifest.graphs["memorize"].inputs if t.name == "identity"]
        self._identity = backend.allocate(tokens, symbols).get("identity")
        new = [t for t in (*propagated, *manifest.graphs["memorize"].outputs) if t.name.startswith("new_")]
        # Two entries take turns: the previous frame's is read while this frame's is written.
        self._entries = (backend.allocate(new, symbols), backend.allocate(new, symbols))
        self._last_append = 0.0

    @property
    def ids(self) -> list[int]:
        """The caller's ids of the objects still followed."""
        return [i for i in self.channel_ids if i is not None]

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Channels in use, background first: 11."""
        return np.array([True, *(i is not None for i in self.channel_ids)])

    def remove(self, object_id: int) -> None:
        """Silences an object's channel; it is not used again."""
        self.channel_ids[self.channel_ids.index(object_id)] = None

    def follow(self, policy: EvictionPolicy) -> None:
        """Changes the policy; what the old one had gathered is forgotten."""
        self._policy = policy
        if policy.needs_redundancy:
            self.bank.track_redundancy(self._kernels)

    def begin(self, frame: int, clock: float, p: DeviceTensor, label: DeviceTensor, z: DeviceTensor) -> None:
        """Takes a labelled frame as the permanent first memory.

        Args:
            frame: Its number.
            clock: When it was, in the units of the gap.
            p: Projected features.
            label: uint8 H x W at network size, this group's channels.
            z: Receives the decoder's input.
        """
        outputs = {t.name for t in self._manifest.graphs["reference"].outputs}
        entry = {name: tensor for name, tensor in self._entries[0].items() if name in outputs}
        self._backend.run("reference", {"p": p, "label": label}, {"z": z, **entry})
        self.bank.write(0, frame, self._for_bank(entry))
        self._last_append = clock

    def propagate(self, shared: Mapping[str, DeviceTensor]) -> None:
        """Reads both memories for a frame, keeping what `memorize` will need.

        Args:
            shared: `p`, to read; `z` and what `passing_tensors` lists, to write.
        """
        previous, current = self._entries
        short = {name: previous.get(f"new_{name}") or previous[_long_entry(name)] for name in self._short}
        self._propagation.run({**shared, **short, **self._kept, **current}, self.bank)

    def memorize(self, label: DeviceTensor) -> None:
        """Completes the frame's entry with its label; it is the short memory from now on."""
        graph = self._manifest.graphs["memorize"]
        carried = {t.name: self._kept[t.name] for t in graph.inputs if t.name.startswith("carry_")}
        current = self._entries[1]
        inputs = {"label": label} if self._identity is None else {"identity": self._embedded(label)}
        outputs = {t.name: current[t.name] for t in graph.outputs}
        self._backend.run("memorize", {**inputs, **carried}, outputs)
        self._entries = (current, self._entries[0])

    def _embedded(self, label: DeviceTensor) -> DeviceTensor:
        """The label map's tokens, where `memorize` takes those."""
        assert self._identity is not None and self._backend.identity is not None
        host = self._backend.for_kernels
        self._backend.identity.embed(host(label), host(self._identity))
        return self._identity

    def due(self, clock: float, gap: float) -> bool:
        """Whether the frame at `clock` belongs in the memory bank."""
        return clock - self._last_append >= gap - 1e-6

    def append(self, frame: int, clock: float, logits: DeviceTensor) -> MemoryUpdate:
        """Puts the latest entry into the bank, over the frame that the policy gives up."""
        decision = self._policy.decide(self._evidence(logits), full=self._full())
        slot = len(self.bank) if decision.slot is None else decision.slot
        evicted = None if decision.slot is None else self.bank.slot_frames[slot]
        self.bank.write(slot, frame, self._for_bank(self._entries[0]))
        self._last_append = clock
        return MemoryUpdate(self.number, self.ids, self.bank.frames, evicted, decision)

    def unchanged(self) -> MemoryUpdate:
        """The bank as it is, on a frame that was not appended."""
        return MemoryUpdate(self.number, self.ids, self.bank.frames, None, Decision())

    def _full(self) -> bool:
        return self._policy.bounded and len(self.bank) >= self._capacity

    def _evidence(self, logits: DeviceTensor) -> Evidence:
        seen = self._backend.for_kernels(logits)
        return Evidence(self.bank, self._kernels, self._propagation, seen, self.active)

    @staticmethod
    def _for_bank(entry: Mapping[str, DeviceTensor]) -> Tensors:
        return {name.removeprefix("new_"): tensor for name, tensor in entry.items()}


def _long_entry(short: str) -> str:
    return "new_" + short.removeprefix("short_")


def _banked(manifest: Manifest) -> list[TensorInfo]:
    """The bank's tensors: what a reference frame leaves for the long term, with a leading axis T."""
    left = [t for t in manifest.graphs["reference"].outputs if t.name.startswith(("new_key", "new_value"))]
    return [
        t.model_copy(update={"name": t.name.removeprefix("new_"), "shape": ("T", *t.shape)}) for t in left
    ]


def _recalls(backend: Backend, manifest: Manifest, grids: Grids, slots: int) -> list[Recall]:
    """A recall for each block, where our own attention reads the bank."""
    if backend.attention is None:
        return []
    network, widths = manifest.network, {t.name: t.shape[-1] for t in _banked(manifest)}
    return [
        backend.attention.recall(
            slots,
            prod(grids.tokens),
            network.heads,
            int(widths[f"key{block}"]),
            int(widths[f"value{block}"]),
            precision=backend.recall_precision,
        )
        for block in range(network.blocks)
    ]


def channel_table(groups: Sequence[ObjectGroup]) -> LabelMap:
    """Caller's id of each merged id 10 * g + k, for looking label maps up."""
    table = np.zeros(256, np.uint8)
    for g, group in enumerate(groups):
        for k, own in enumerate(group.channel_ids, start=1):
            table[GROUP_SIZE * g + k] = own or 0
    return table
