"""The Segmenter: frames in, label maps out, with every object's memory in between."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ermu.errors import BundleError, PromptError, SourceError
from ermu.kernels.base.scoring import Kernels, ScoreConstants
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.base import Backend, DeviceTensor, resolve
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import Grids, network_size
from ermu.runtime.images.labels import MAX_OBJECTS, LabelMap, check_prompt, in_groups, to_channels
from ermu.runtime.memory.group import MemoryUpdate, ObjectGroup, channel_table
from ermu.runtime.memory.policy import EvictionPolicy, make_policy
from ermu.runtime.memory.propagation import passing_tensors
from ermu.runtime.results import FrameResult
from ermu.runtime.timing.stopwatch import Stopwatch

MAX_SCORED_CAPACITY = 32  # the scoring kernels hold one sum a slot in registers


class Segmenter:
    """Follows the objects of a first label map through a stream.

    Example:
        >>> segmenter = Segmenter(Bundle.load("bundle"))            # doctest: +SKIP
        >>> segmenter.start(frame, label)                           # doctest: +SKIP
        >>> label = segmenter.step(next_frame).label                # doctest: +SKIP

    Args:
        bundle: A loaded bundle, or the path of one.
        policy: ermu, rmem, fifo or none.
        capacity: Memory frames a group holds; default, the bundle's.
        gap: Frames between two appends to the bank; default, the bundle's.
        gap_seconds: Seconds instead, so that a stream that drops frames still feeds its bank as often; every
            frame then needs its time.
        long_edge: Frames with a longer edge are scaled down to it; ignored by a bundle of fixed size.
        precision: fp32, bf16 (CPU), or one that `ermu build` has added to the bundle.
        device: `cpu` or `cuda`.
        engine: `onnxruntime`; on `cpu` also `openvino`; on `cuda` also a TensorRT that the bundle has engines
            for.
        threads: Threads for each graph; default, the processors that this process may use.
        backend: An open backend to share between segmenters; default, one of its own.
        kernels: Scoring kernels; default, the best for the device.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path,
        *,
        policy: str = "ermu",
        capacity: int | None = None,
        gap: int | None = None,
        gap_seconds: float | None = None,
        long_edge: int | None = None,
        precision: str | None = None,
        device: str = "cpu",
        engine: str = "onnxruntime",
        threads: int | None = None,
        backend: Backend | None = None,
        kernels: Kernels | None = None,
    ) -> None:
        loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        self.bundle = loaded.at_precision(precision or loaded.manifest.precision)
        manifest = self.bundle.manifest
        self.policy = policy
        self.capacity = manifest.memory.capacity if capacity is None else capacity
        self.gap = manifest.memory.gap if gap is None else gap
        self.gap_seconds = gap_seconds
        self._long_edge = long_edge or manifest.input.long_edge
        self._constants = ScoreConstants(**manifest.score.model_dump())
        self._kernels = kernels or load_kernels(device)
        self._check_options()
        self._backend = backend or open_backend(self.bundle, device=device, engine=engine, threads=threads)
        self._manifest = manifest if self._backend.attention is None else manifest.in_parts()
        self._groups: list[ObjectGroup] = []
        self._groups_begun = 0
        self._frame = -1
        self._grids = Grids(0, 0)
        self._source_hw = (0, 0)
        self._logits: DeviceTensor

    @property
    def frame(self) -> int:
        """Number of the latest frame, -1 before `start`."""
        return self._frame

    @property
    def ids(self) -> list[int]:
        """The caller's ids of every object followed, by group."""
        return [i for group in self._groups for i in group.ids]

    @property
    def memory(self) -> list[MemoryUpdate]:
        """Every group's memory bank as it is."""
        return [group.unchanged() for group in self._groups]

    def start(
        self, frame: LabelMap, label: LabelMap | None = None, *, number: int = 0, time: float | None = None
    ) -> FrameResult:
        """Begins every memory with a labelled frame, forgetting whatever came before.

        Args:
            frame: BGR uint8 H x W x 3, of any size.
            label: uint8 H x W; ids 1 to 254, 0 background, 255 ignore. More than ten objects form groups.
                None begins with no object; `add_objects` brings them in.
            number: The frame's number; a stream that begins anew after a loss goes on counting.
            time: Seconds, on any clock that only goes forward; needed with a gap in seconds.

        Raises:
            PromptError: the label map does not fit the frame or holds no object.
            SourceError: the frame is not a BGR image.
        """
        hw = _check_frame(frame)
        ids = [] if label is None else check_prompt(label, hw)
        clock = self._clock(number, time)
        self.reset()
        self._prepare_buffers(hw)
        watch = Stopwatch()
        self._frame = number
        self._take(frame, watch)
        if label is None:
            self._label = np.zeros(hw, np.uint8)
            return FrameResult(number, self._label, [], watch.ms)
        self._encode(watch)
        with watch("reference"):
            self._begin_groups(ids, label, number, clock)
        self._label = np.where(label == 255, 0, label).astype(np.uint8)
        return FrameResult(number, label.copy(), self.memory, watch.ms)

    def step(
        self, frame: LabelMap, *, remember: LabelMap | None = None, time: float | None = None
    ) -> FrameResult:
        """Segments the next frame and remembers it.

        Args:
            frame: BGR uint8, the size of the first.
            remember: A label map to remember in place of the predicted one (a correction, or the truth).
            time: As in `start`.

        Raises:
            PromptError: `start` has not been called, or `remember` does not fit.
            SourceError: the frame has another size than the first.
        """
        self._check_step(frame, remember)
        clock = self._clock(self._frame + 1, time)
        watch = Stopwatch()
        self._frame += 1
        self._take(frame, watch)
        if not self._groups:
            self._label = np.zeros(self._source_hw, np.uint8)
            return FrameResult(self._frame, self._label, [], watch.ms)
        self._encode(watch)
        for g, group in enumerate(self._groups):
            with watch("propagate"):
                group.propagate({**self._passing, "p": self._maps["p"], "z": self._z})
            with watch("decode"):
                self._decode(g)
        with watch("label"):
            network = self._predict(remember)
        memory = [self._remember(g, label, clock, watch) for g, label in enumerate(network)]
        return FrameResult(self._frame, self._label, memory, watch.ms)

    def add_objects(
        self,
        label: LabelMap,
        *,
        frame: LabelMap | None = None,
        number: int | None = None,
        time: float | None = None,
    ) -> FrameResult:
        """Adds objects; they form groups of their own and disturb nobody's memory.

        Args:
            label: uint8 H x W at source size, new ids where the new objects are and 0 elsewhere.
            frame: The frame that `label` belongs to, where that is a recent one and not the latest: whoever
                draws on a picture draws on the past. The objects are found again in the next frame.
            number: Number of `frame`.
            time: The latest frame's, as in `start`.

        Raises:
            PromptError: nothing was started, an id is in use, or there would be too many objects.
        """
        self._check_started()
        ids = check_prompt(label, self._source_hw)
        taken = sorted(set(ids) & set(self.ids))
        if taken:
            raise PromptError(f"The ids {taken} are in use.", expected="ids that no object has")
        if len(self._groups) + len(in_groups(ids)) > MAX_OBJECTS // 10:
            raise PromptError(
                f"{len(ids)} more objects do not fit.", expected=f"at most {MAX_OBJECTS // 10} groups of them"
            )
        clock, watch = self._clock(self._frame, time), Stopwatch()
        if frame is not None:
            self._check_size(frame)
            self._take(frame, watch)
        self._encode(watch)
        self._begin_groups(ids, label, self._frame if number is None else number, clock)
        if frame is None:
            self._label = np.where((label > 0) & (label < 255), label, self._label).astype(np.uint8)
        return FrameResult(self._frame, self._label, self.memory, watch.ms)

    def remove_objects(self, ids: Iterable[int]) -> None:
        """Stops following objects: their ids are gone from the next frame on, an empty group is freed.

        Raises:
            PromptError: an id is not followed.
        """
        for object_id in ids:
            group = next((g for g in self._groups if object_id in g.ids), None)
            if group is None:
                raise PromptError(f"There is no object {object_id}.", expected=f"one of {self.ids}")
            group.remove(object_id)
            self._label = np.where(self._label == object_id, 0, self._label).astype(np.uint8)
        kept = [group for group in self._groups if group.ids]
        if len(kept) != len(self._groups):
            self._set_groups(kept)

    def switch_policy(self, policy: str) -> None:
        """Changes the eviction policy of every group, from the next append on.

        Raises:
            ErmuError: no policy has that name.
            BundleError: a bank has grown beyond the capacity under the policy `none`.
        """
        policies = [self._make_policy(policy) for _ in self._groups]
        held = max((len(group.bank) for group in self._groups), default=0)
        if held > self.capacity:
            raise BundleError(
                f"A bank holds {held} frames, more than the capacity {self.capacity}.",
                fix="reset the memories before leaving the policy none",
            )
        self.policy = policy
        for group, own in zip(self._groups, policies, strict=True):
            group.follow(own)

    def reset(self) -> None:
        """Forgets every object and memory; `start` begins anew."""
        self._groups = []
        self._frame = -1

    def logits(self) -> npt.NDArray[Any]:
        """Stride-4 logits of the latest frame, G x 11 x h4 x w4, a copy on the host."""
        return self._backend.download(self._logits)

    def close(self) -> None:
        """Releases the backend's sessions and memory."""
        self.reset()
        self._backend.close()

    def _check_options(self) -> None:
        if self.capacity < 2:
            raise BundleError(f"Capacity {self.capacity} is too small.", expected="at least 2 memory frames")
        if self.policy in ("ermu", "rmem") and self.capacity > MAX_SCORED_CAPACITY:
            raise BundleError(
                f"Capacity {self.capacity} is too large for the policy {self.policy}.",
                expected=f"at most {MAX_SCORED_CAPACITY} frames",
                fix="use --policy fifo or none for a larger bank",
            )
        if self.gap < 1:
            raise BundleError(f"Gap {self.gap} is too small.", expected="at least 1 frame")
        if self.gap_seconds is not None and not self.gap_seconds > 0:
            raise BundleError(f"Gap {self.gap_seconds} s is too small.", expected="more than 0 seconds")
        self._make_policy(self.policy)

    def _make_policy(self, name: str) -> EvictionPolicy:
        every_append = self.bundle.manifest.network.family == "deaot"
        return make_policy(name, self._kernels, self._constants, every_append=every_append)

    def _clock(self, number: int, time: float | None) -> float:
        """A frame's place on the axis along which the gap is measured: frames or seconds."""
        if self.gap_seconds is None:
            return number
        if time is None:
            raise SourceError("A frame has no time.", expected="its time, since the memory gap is in seconds")
        return time

    def _check_started(self) -> None:
        if self._frame < 0:
            raise PromptError("No frame has been segmented yet.", fix="call start(frame, label) first")

    def _check_step(self, frame: LabelMap, remember: LabelMap | None) -> None:
        self._check_started()
        hw = self._check_size(frame)
        if remember is not None and remember.shape != hw:
            raise PromptError(f"The label map to remember is {remember.shape}, the frame {hw}.")

    def _check_size(self, frame: LabelMap) -> tuple[int, int]:
        hw = _check_frame(frame)
        if hw != self._source_hw:
            raise SourceError(
                f"Frame {self._frame + 1} is {hw[1]}x{hw[0]}, "
                f"the first was {self._source_hw[1]}x{self._source_hw[0]}.",
                expected="frames of one size",
                fix="resize the frames, or start again with a label map of the new size",
            )
        return hw

    def _prepare_buffers(self, source_hw: tuple[int, int]) -> None:
        """Allocates what all groups share, unless the size is the same as before."""
        grids = Grids(*(self._manifest.input.size or network_size(source_hw, self._long_edge)))
        self._source_hw = source_hw
        if self._grids == grids:
            return
        self._grids = grids
        symbols, graphs = grids.symbols(), self._manifest.graphs
        (self._image,) = self._backend.allocate(graphs["encode"].inputs, symbols).values()
        self._maps = self._backend.allocate(graphs["encode"].outputs, symbols)
        self._z = self._backend.allocate(graphs["decode"].inputs[:1], symbols)["z"]
        self._passing = self._backend.allocate(passing_tensors(self._manifest), symbols)

    def _set_groups(self, groups: list[ObjectGroup]) -> None:
        before = {group.number: self._logits.at(g) for g, group in enumerate(self._groups)}
        self._groups = groups
        (info,) = self._manifest.graphs["decode"].outputs
        one = resolve(info.shape, self._grids.symbols())
        self._logits = self._backend.empty((len(groups), *one), info.dtype)
        self._labels = self._backend.empty((len(groups), *self._grids.hw), np.uint8)
        for g, group in enumerate(groups):
            if group.number in before:
                self._backend.copy(before[group.number], self._logits.at(g))

    def _begin_groups(self, ids: list[int], label: LabelMap, number: int, clock: float) -> None:
        first = len(self._groups)
        new = [self._new_group(own) for own in in_groups(ids)]
        self._set_groups([*self._groups, *new])
        for g, group in enumerate(new, start=first):
            target = self._labels.at(g)
            self._backend.upload(to_channels(label, group.channel_ids, self._grids.hw), target)
            group.begin(number, clock, self._maps["p"], target, self._z)
            self._decode(g)

    def _new_group(self, ids: list[int]) -> ObjectGroup:
        number, self._groups_begun = self._groups_begun, self._groups_begun + 1
        shared = self._backend, self._kernels, self._manifest, self._grids
        return ObjectGroup(*shared, number, ids, self._make_policy(self.policy), self.capacity)

    def _take(self, frame: LabelMap, watch: Stopwatch) -> None:
        with watch("prepare"):
            self._backend.upload(self._prepared(frame)[None], self._image)
        self._encoded = False

    def _encode(self, watch: Stopwatch) -> None:
        """Features of the frame taken last, once; a frame without objects never needs any."""
        if not self._encoded:
            with watch("encode"):
                self._backend.run("encode", {"image": self._image}, self._maps)
                if look := self._manifest.graphs.get("look"):
                    shared = {t.name: self._passing[t.name] for t in look.outputs}
                    self._backend.run("look", {"p": self._maps["p"]}, shared)
            self._encoded = True

    def _prepared(self, frame: LabelMap) -> npt.NDArray[Any]:
        """RGB at network size, in the dtype that the bundle takes."""
        if self._manifest.input.dtype == "uint8":
            return self._kernels.prepare_frame(frame, self._grids.hw)
        resized = cv2.resize(frame.astype(np.float32), self._grids.hw[::-1], interpolation=cv2.INTER_CUBIC)
        return resized[:, :, ::-1]

    def _decode(self, g: int) -> None:
        maps = {name: tensor for name, tensor in self._maps.items() if name != "p"}
        self._backend.run("decode", {"z": self._z, **maps}, {"logits": self._logits.at(g)})

    def _predict(self, remember: LabelMap | None) -> Iterable[LabelMap]:
        """Sets the frame's label map; returns each group's at network size, the one to remember."""
        active = np.stack([group.active for group in self._groups])
        maps = self._kernels.label_from_logits(
            self._backend.for_kernels(self._logits), active, self._source_hw, self._grids.hw
        )
        self._label = channel_table(self._groups)[maps.source]
        if remember is None:
            return maps.network
        return [to_channels(remember, group.channel_ids, self._grids.hw) for group in self._groups]

    def _remember(self, g: int, label: LabelMap, clock: float, watch: Stopwatch) -> MemoryUpdate:
        group, target = self._groups[g], self._labels.at(g)
        with watch("memorize"):
            self._backend.upload(label, target)
            group.memorize(target)
        if not group.due(clock, self.gap if self.gap_seconds is None else self.gap_seconds):
            return group.unchanged()
        with watch("score"):
            return group.append(self._frame, clock, self._logits.at(g))


def _check_frame(frame: LabelMap) -> tuple[int, int]:
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise SourceError(f"A frame is {found}.", expected="BGR uint8 H x W x 3")
    return frame.shape[0], frame.shape[1]
