"""A segmenter's session: saved, and gone on from as if it had never stopped."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ermu.errors import SessionError, StateError
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.choosing import AUTO
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import Grids, SizeLimits
from ermu.runtime.encoder import FrameEncoder
from ermu.runtime.images.frames import check_frame
from ermu.runtime.memory.objects.object_set import ObjectSet
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.groups import GroupSet
from ermu.runtime.memory.sets.memories import Memories, Numbers
from ermu.runtime.memory.sets.opening import check_memory_options, open_memories
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenting.clicking import Clicking
from ermu.runtime.session.groups import keep_groups, resume_groups
from ermu.runtime.session.head import Head, LimitsHead, OptionsHead, SegmenterHead
from ermu.runtime.session.kept import Kept
from ermu.runtime.session.objects import keep_objects, resume_objects
from ermu.runtime.session.session import Session
from ermu.runtime.sharing import Added
from ermu.types import Image, LabelMap
from ermu.version import __version__

if TYPE_CHECKING:
    from typing_extensions import Self


class PortableSegmenter(Clicking):
    """The part of a `Segmenter` that saves what it remembers, and goes on from what was saved."""

    bundle: Bundle
    backend: Backend
    limits: SizeLimits
    _groups: Memories | None
    _numbers: Numbers
    _added: Added
    _closed: bool

    def save(self, path: str | Path) -> None:
        """Writes all that it remembers to a file, whole or not at all; it goes on unchanged.

        Corrections that could be undone are not in it.

        Args:
            path: Of the file, `.ermu` by custom.

        Raises:
            StateError: `start` has not been called, or what is remembered cannot be saved.
            SinkError: it cannot be written; what was there is as it was.
        """
        self.session().write(path)

    @classmethod
    def restore(
        cls,
        bundle: Bundle | str | Path,
        path: str | Path,
        *,
        precision: str | None = None,
        backend: str | Backend = AUTO,
        device: str = "cpu",
        threads: int | None = None,
        kernels: str | None = None,
        plan: str | None = None,
    ) -> Self:
        """A segmenter that goes on where the saved one was: to the bit, with the same backend and plan.

        Policy, capacity, gap and the other options of the memory are the session's.

        Args:
            bundle: As of `Segmenter`; the one that the session was saved with.
            path: Of the file.
            precision: Default, the session's.
            backend: As of `Segmenter`, as are those below.
            device: Where it runs.
            threads: CPU threads for each graph and kernel.
            kernels: `numpy`, `cpu` or `cuda`.
            plan: `whole` or `external_attention`.

        Raises:
            SessionError: there is no such file; it is truncated, altered, foreign, of another version, bundle
                or precision.
            OptionError, BundleError, BackendError: as `Segmenter`.
        """
        session = Session.read(path)
        loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        if precision is None and isinstance(backend, str) and session.head.bundle == loaded.fingerprint:
            precision = session.head.precision
        make: Any = cls
        segmenter: Self = make(
            loaded,
            precision=precision,
            backend=backend,
            device=device,
            threads=threads,
            kernels=kernels,
            plan=plan,
        )
        try:
            segmenter.resume(session)
        except BaseException:
            segmenter.close()
            raise
        return segmenter

    def session(self) -> Session:
        """What it remembers now, copied: a frame that comes next does not change it.

        Raises:
            StateError: `start` has not been called, or what is remembered cannot be saved.
        """
        memories, device = self._started(), self.backend.device
        assert self._encoder is not None
        kept = _kept(memories)
        arrays = {"label": self._label.copy(), "logits": memories.logits(), **kept.arrays}
        arrays["image"] = device.download(self._encoder.image)
        if self._added.label is not None:
            arrays["added"] = self._added.label
        manifest = self.bundle.manifest
        head = Head(
            bundle=self.bundle.fingerprint,
            network=manifest.network.name,
            precision=manifest.precision,
            plan=self.backend.plan_name,
            backend=self.backend.name,
            ermu=__version__,
            saved=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            segmenter=self._head(memories, kept),
        )
        return Session(head, arrays, kept.banks)

    def resume(self, session: Session) -> None:
        """Goes on where a session was; what it remembered itself is forgotten.

        Raises:
            SessionError: the session is of another bundle or precision, or does not fit; everything is as it
                was.
            OptionError: a policy of its is not known here; everything is as it was.
            BackendError: there is not enough memory; everything is as it was.
            StateError: the segmenter is closed.
        """
        self._resume(session, session.head.segmenter.source_hw)
        head = session.head.segmenter
        self._label = session.array("label", head.source_hw, np.uint8).copy()
        added = None if "added" not in session.arrays else session.array("added", head.source_hw, np.uint8)
        self._added = Added(head.added_on, added)

    def prime(self, session: Session | str | Path, frame: Image, *, time: float | None = None) -> FrameResult:
        """Begins another stream with what a session remembers of its objects: they are found without a mask.

        The banks stay as they were, the session's frames among them; what was where in its latest frame is
        forgotten. Frames enter at the session's network size, so another shape of picture is stretched.

        Args:
            session: Whose objects to look for, or its file.
            frame: The stream's first, BGR uint8 H x W x 3, of any size; its number follows the session's.
            time: As of `start`.

        Raises:
            SessionError, OptionError, BackendError, StateError: as `resume`.
            SourceError: the frame is not a BGR image, or lacks its time.
        """
        hw, session = check_frame(frame), Session.of(session)
        clock = MemoryOptions(**session.head.segmenter.options.model_dump()).clock(
            session.head.segmenter.frame + 1, time
        )
        groups, encoder = self._resume(session, hw)
        self._label, self._added = np.zeros(hw, np.uint8), Added()
        encoder.take(frame)
        encoder.encode()
        groups.begin_elsewhere(clock, encoder.features)
        return self.step(frame, time=time)

    def _resume(self, session: Session, hw: tuple[int, int]) -> tuple[Memories, FrameEncoder]:
        if self._closed:
            raise StateError("The segmenter is closed.", fix="make another one")
        session.check_for(self.bundle)
        head = session.head.segmenter
        options = MemoryOptions(**head.options.model_dump())
        check_memory_options(self.bundle.manifest, options)
        grids = self._grids(head)
        encoder, numbers = FrameEncoder(self.backend, grids), Numbers(head.next_group)
        groups = open_memories(self.backend, grids, hw, numbers)
        for name in ("label", *(["added"] if "added" in session.arrays else [])):
            session.array(name, head.source_hw, np.uint8)
        _fill(groups, self.backend, session, options)
        image = encoder.image
        self.backend.device.upload(session.array("image", image.shape, image.dtype), image)
        self.reset()
        self._groups, self._encoder, self._numbers, self._options = groups, encoder, numbers, options
        self.limits, self._frame = SizeLimits(**head.limits.model_dump()), head.frame
        return groups, encoder

    def move_clock(self, seconds: float) -> None:
        """Moves the times of the latest appends: the stream's axis has begun anew."""
        if self._groups is not None and self._options.gap_seconds is not None:
            self._groups.move_clock(seconds)

    @abstractmethod
    def reset(self) -> None:
        """Forgets every object and memory."""

    @abstractmethod
    def step(
        self, frame: Image, *, remember: LabelMap | None = None, time: float | None = None
    ) -> FrameResult:
        """Segments the next frame and remembers it."""

    def _head(self, memories: Memories, kept: Kept) -> SegmenterHead:
        return SegmenterHead(
            options=OptionsHead(**asdict(self._options)),
            limits=LimitsHead(**asdict(self.limits)),
            source_hw=memories.source_hw,
            network_hw=memories.grids.hw,
            frame=self._frame,
            next_group=self._numbers.upcoming,
            added_on=self._added.frame,
            attention=self.backend.attention_precision if self.backend.external_attention else "fp32",
            groups=kept.groups,
            objects=kept.objects,
        )

    def _grids(self, head: SegmenterHead) -> Grids:
        manifest = self.bundle.manifest
        rule, fixed = manifest.network.grid, manifest.input.size
        if not rule.fits(head.network_hw) or fixed not in (None, head.network_hw):
            raise SessionError(
                f"Frames of the session enter the network at {head.network_hw[1]}x{head.network_hw[0]}.",
                expected=f"sides of {rule.form}" if fixed is None else f"{fixed[1]}x{fixed[0]}",
                fix="use a bundle that was exported for that size",
            )
        return Grids(*head.network_hw, rule)


def _kept(memories: Memories) -> Kept:
    if isinstance(memories, ObjectSet):
        return keep_objects(memories)
    assert isinstance(memories, GroupSet)
    return keep_groups(memories)


def _fill(memories: Memories, backend: Backend, session: Session, options: MemoryOptions) -> None:
    """Fills empty memories with a session's; raises as `resume`."""
    if isinstance(memories, ObjectSet):
        resume_objects(memories, session, options)
        return
    assert isinstance(memories, GroupSet)
    resume_groups(memories, backend, session, options)
