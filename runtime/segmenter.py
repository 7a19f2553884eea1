"""The Segmenter: frames in, label maps out, with every object's memory in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ermu.errors import OptionError, PromptError, StateError
from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.choosing import AUTO, choose_precision
from ermu.runtime.backends.loading import check_lent, open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import Grids, SizeLimits
from ermu.runtime.encoder import FrameEncoder
from ermu.runtime.images.frames import Picture, check_picture
from ermu.runtime.images.labels import (
    IGNORE,
    MOST_GROUPS,
    as_prompt,
    check_correction,
    check_prompt,
)
from ermu.runtime.memory.labelling import Probabilities
from ermu.runtime.memory.options import PRESENT, MemoryOptions
from ermu.runtime.memory.sets.memories import Memories, Numbers, Tensors
from ermu.runtime.memory.sets.opening import check_memory_options, open_memories
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.results import FrameResult
from ermu.runtime.session.segmenter import PortableSegmenter
from ermu.runtime.sharing import Added
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Array, Image, LabelMap


class Segmenter(PortableSegmenter):
    """Follows the objects of a first label map through a stream.

    Example:
        >>> segmenter = Segmenter("demo")                           # doctest: +SKIP
        >>> segmenter.start(frame, label)                           # doctest: +SKIP
        >>> label = segmenter.step(next_frame).label                # doctest: +SKIP

    Args:
        bundle: A loaded bundle, its folder, or the name of one that a package brings along.
        policy: Name of an eviction policy; default, the bundle's.
        capacity: Memory frames a group holds; default, the bundle's.
        gap: Frames between two appends to the bank; default, the bundle's.
        gap_seconds: Seconds instead, so that a stream that drops frames still feeds its bank as often; every
            frame then needs its time.
        long_edge: Frames with a longer edge are scaled down to it; ignored by a bundle of fixed size.
        identities: `present`, or `published` to keep ten alive in a group however many objects it has.
        max_groups: Groups, 1 to 25, beyond which the youngest are joined when objects are added: a frame's
            time grows with their number.
        precision: fp32, bf16 (CPU), one that `ermu build` has added, or `auto` for the fastest of those that
            were measured to change little; default, the bundle's or the lent backend's own.
        backend: Name of the library that runs the graphs, `auto` for the fastest here, or an open backend of
            this bundle to share: it is then the caller's to close, and the options below are its own.
        device: `cpu`, `cuda`, or `cuda:1` for another than the first GPU.
        threads: CPU threads for each graph and kernel; default, the processors that this process may use.
        kernels: `numpy`, `cpu` or `cuda`; default, the best for the device.
        plan: `whole` or `external_attention`; default, the better one here.

    Attributes:
        bundle: At its precision.
        limits: Of the size at which frames enter; may be set before `start`.
        backend: Runs the graphs.

    Raises:
        OptionError: an option is unknown, out of range, or does not go with another.
        BundleError: the bundle is damaged, or lacks the precision.
        BackendError: the backend does not run here.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path,
        *,
        policy: str | None = None,
        capacity: int | None = None,
        gap: int | None = None,
        gap_seconds: float | None = None,
        long_edge: int | None = None,
        identities: str = PRESENT,
        max_groups: int = MOST_GROUPS,
        precision: str | None = None,
        backend: str | Backend = AUTO,
        device: str = "cpu",
        threads: int | None = None,
        kernels: str | None = None,
        plan: str | None = None,
    ) -> None:
        loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        if isinstance(backend, str):
            precision = choose_precision(loaded, precision, device, backend=backend, threads=threads)
        elif precision in (None, AUTO):
            precision = backend.bundle.manifest.precision
        self.bundle = loaded.at_precision(precision)
        manifest = self.bundle.manifest
        self._options = MemoryOptions(
            manifest.memory.policy if policy is None else policy,
            manifest.memory.capacity if capacity is None else capacity,
            manifest.memory.gap_for(None, policy) if gap is None else gap,
            gap_seconds,
            identities,
            max_groups,
        )
        check_memory_options(manifest, self._options)
        self.limits = SizeLimits(manifest.input.long_edge if long_edge is None else long_edge)
        self._owns_backend, self._closed = isinstance(backend, str), False
        if isinstance(backend, str):
            backend = open_backend(
                self.bundle,
                backend=backend,
                device=device,
                threads=threads,
                kernels=kernels,
                plan=plan,
            )
        else:
            own_device = None if device == "cpu" else device
            check_lent(backend, self.bundle, device=own_device, threads=threads, kernels=kernels, plan=plan)
        self.backend = backend
        self._encoder: FrameEncoder | None = None
        self._groups: Memories | None = None
        self._numbers = Numbers()
        self._frame, self._added = -1, Added()

    @property
    def frame(self) -> int:
        """Number of the latest frame, -1 before `start`."""
        return self._frame

    @property
    def ids(self) -> list[int]:
        """The caller's ids of every object followed, by group."""
        return self._groups.ids if self._groups else []

    @property
    def memory(self) -> list[MemoryUpdate]:
        """Every group's memory bank as it is."""
        return self._groups.unchanged() if self._groups else []

    @property
    def policy(self) -> str:
        """Name of the eviction policy; `switch_policy` changes it."""
        return self._options.policy

    @property
    def capacity(self) -> int:
        """Memory frames a group holds, where the policy is bounded."""
        return self._options.capacity

    @property
    def gap(self) -> int:
        """Frames between two appends; may be set between frames, raises `OptionError` below 1."""
        return self._options.gap

    @gap.setter
    def gap(self, gap: int) -> None:
        self._options = replace(self._options, gap=gap)

    @property
    def gap_seconds(self) -> float | None:
        """Seconds between two appends, which go before `gap`; may be set likewise."""
        return self._options.gap_seconds

    @gap_seconds.setter
    def gap_seconds(self, gap_seconds: float | None) -> None:
        self._options = replace(self._options, gap_seconds=gap_seconds)

    def start(
        self, frame: Picture, label: LabelMap | None = None, *, number: int = 0, time: float | None = None
    ) -> FrameResult:
        """Begins every memory with a labelled frame, forgetting whatever came before.

        Args:
            frame: BGR uint8 H x W x 3, of any size; or a picture that a decoder left on this device.
            label: uint8 H x W; ids 1 to 254, 0 background, 255 ignore (alone, it is object 1).
                More than ten objects form groups.
                None begins with no object; `add_objects` brings them in.
            number: The frame's number; a stream that begins anew after a loss goes on counting.
            time: Seconds, on any clock that only goes forward; needed with a gap in seconds.

        Raises:
            StateError: the segmenter is closed.
            PromptError: the label map does not fit the frame or holds no object.
            SourceError: the frame is neither a BGR image nor a picture on this device.
        """
        if self._closed:
            raise StateError("The segmenter is closed.", fix="make another one")
        hw = check_picture(frame, self.backend.device)
        label = None if label is None else as_prompt(label)
        ids = [] if label is None else check_prompt(label, hw)
        self._options.check_count(len(ids))
        clock = self._options.clock(number, time)
        self.reset()
        groups, watch = self._open_size(hw), Stopwatch()
        self._take(frame, watch)
        if label is not None:
            features = self._encode(watch)
            with watch("reference"):
                groups.begin(ids, label, features, self._options, frame=number, clock=clock)
        self._frame, self._added = number, Added()
        self._label: LabelMap = np.zeros(hw, np.uint8)
        if label is None:
            return self._result(self._label, [], watch)
        self._label = np.where(label == IGNORE, 0, label).astype(np.uint8)
        return self._result(label.copy(), self.memory, watch)

    def step(
        self, frame: Picture, *, remember: LabelMap | None = None, time: float | None = None
    ) -> FrameResult:
        """Segments the next frame and remembers it.

        Args:
            frame: BGR uint8, or a picture on this device; the size of the first.
            remember: A label map to remember in place of the predicted one (a correction, or the truth); ids
                that nobody follows are background.
            time: As in `start`.

        Raises:
            StateError: `start` has not been called.
            PromptError: `remember` does not fit.
            SourceError: the frame has another size than the first.
        """
        groups = self._started()
        hw, number = self._check_size(frame), self._frame + 1
        if remember is not None:
            check_correction(remember, hw)
        clock, watch = self._options.clock(number, time), Stopwatch()
        memory: list[MemoryUpdate] = []
        with self.backend.repeating():
            self._take(frame, watch)
            label = np.zeros(hw, np.uint8)
            if len(groups):
                label = groups.segment(self._encode(watch), watch, frame=number)
        if len(groups):
            memory = groups.remember(self._options, watch, frame=number, clock=clock, label=remember)
        self._frame, self._label, self._added = number, label, Added()
        return self._result(label, memory, watch)

    def add_objects(
        self,
        label: LabelMap,
        *,
        frame: Image | None = None,
        number: int | None = None,
        time: float | None = None,
        known: LabelMap | None = None,
    ) -> FrameResult:
        """Adds objects; they form groups of their own and disturb nobody's memory.

        Two exceptions: what is added on one frame is one addition, with one memory; and where there are
        `max_groups` already, the youngest begin anew, in one group with the new objects.

        Args:
            label: uint8 H x W at source size, new ids where the new objects are and 0 elsewhere.
            frame: The frame that `label` belongs to, where that is a recent one and not the latest: whoever
                draws on a picture draws on the past. The objects are found again in the next frame.
            number: That frame's number.
            time: As in `start`.
            known: That frame's label map, from which groups could begin anew.

        Returns:
            The latest frame's result with the new objects in it, unless a `frame` was given.

        Raises:
            StateError: `start` has not been called.
            PromptError: an id is taken, or the label map does not fit or holds no object.
            SourceError: the frame has another size than the first.
        """
        groups = self._started()
        label = as_prompt(label)
        ids = check_prompt(label, groups.source_hw)
        if taken := sorted(set(ids) & set(self.ids)):
            raise PromptError(f"The ids {taken} are in use.", expected="ids that no object has")
        clock, watch = self._options.clock(self._frame, time), Stopwatch()
        if frame is None and known is None:
            known = self._label
        drawn_on = self._frame if number is None else number
        known = self._added.on(drawn_on, np.zeros_like(label) if known is None else known)
        with self._features_of(frame, watch) as features:
            begun, where = groups.make_room(ids, label, known, self._options, frame=drawn_on)
            groups.begin(begun, where, features, self._options, frame=drawn_on, clock=clock)
        self._added = self._added.with_more(drawn_on, label)
        if frame is None:
            self._label = np.where((label > 0) & (label < IGNORE), label, self._label).astype(np.uint8)
        return self._result(self._label, self.memory, watch)

    def remove_objects(self, ids: Iterable[int]) -> None:
        """Stops following objects: their ids are gone from the next frame on, an empty group is freed.

        Raises:
            PromptError: an id is not followed.
        """
        for object_id in ids:
            if self._groups is None or object_id not in self.ids:
                raise PromptError(f"There is no object {object_id}.", expected=f"one of {self.ids}")
            self._groups.remove(object_id)
            self._label = np.where(self._label == object_id, 0, self._label).astype(np.uint8)

    def switch_policy(self, policy: str) -> None:
        """Changes the eviction policy of every group, from the next append on.

        Raises:
            OptionError: no policy has that name, it cannot decide for this capacity, or a bank has grown
                beyond the capacity under an unbounded policy.
        """
        options = replace(self._options, policy=policy)
        check_memory_options(self.bundle.manifest, options)
        held = self._groups.longest if self._groups is not None else 0
        if held > options.capacity and POLICIES.get(policy).bounded:
            raise OptionError(
                f"A bank holds {held} frames, more than the capacity {options.capacity}.",
                fix=f"reset the memories before leaving the policy {self.policy}",
            )
        if self._groups is not None:
            self._groups.switch_policy(options)
        self._options = options

    def reset(self) -> None:
        """Forgets every object and memory; `start` begins anew."""
        if self._groups is not None:
            self._groups.clear()
        self._frame = -1

    def logits(self) -> Array:
        """Stride-4 logits of the latest frame, G x 11 x h4 x w4, a copy on the host.

        Raises:
            StateError: `start` has not been called.
        """
        return self._started().logits()

    def probabilities(self) -> Probabilities:
        """Of the latest frame's labels at source size, merged over the groups, on the host.

        Raises:
            StateError: `start` has not been called.
        """
        return self._started().probabilities()

    def close(self) -> None:
        """Forgets everything, and closes the backend unless it was lent; closing twice is harmless."""
        self.reset()
        self._groups = self._encoder = None
        self._closed = True
        if self._owns_backend:
            self.backend.close()

    def lend(self, backend: Backend | None) -> None:
        """Goes on with another backend, every memory forgotten; None gives back the one that it was lent.

        Raises:
            StateError: the backend is its own.
            OptionError: the backend runs another bundle.
        """
        if self._owns_backend:
            raise StateError("The segmenter has a backend of its own.", fix="make another segmenter")
        self.reset()
        self._groups = self._encoder = None
        if backend is not None:
            check_lent(backend, self.bundle)
            self.backend = backend

    def _started(self) -> Memories:
        if self._groups is None or self._frame < 0:
            raise StateError("No frame has been segmented yet.", fix="call start(frame, label) first")
        return self._groups

    def _open_size(self, source_hw: tuple[int, int]) -> Memories:
        """Empty memories for frames of a size; what depends on the network's size is kept."""
        rule = self.bundle.manifest.network.grid
        size = self.bundle.manifest.input.size or rule.network_size(source_hw, self.limits)
        grids = Grids(*size, rule)
        groups = self._groups
        if groups is not None and (groups.source_hw, groups.grids) == (source_hw, grids):
            return groups
        if groups is None or groups.grids != grids:
            self._encoder = FrameEncoder(self.backend, grids)
        self._groups = open_memories(self.backend, grids, source_hw, self._numbers, before=groups)
        return self._groups

    def _take(self, frame: Picture, watch: Stopwatch) -> None:
        assert self._encoder is not None
        with watch("prepare"):
            self._encoder.take(frame)

    def _encode(self, watch: Stopwatch) -> Tensors:
        assert self._encoder is not None
        with watch("encode"):
            self._encoder.encode()
        return self._encoder.features
