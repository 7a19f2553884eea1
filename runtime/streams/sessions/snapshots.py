"""A folder with a session of every stream, kept up to date while the streams run."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

from ermu.closing import Closing
from ermu.errors import ErmuError, OptionError, SessionError, StateError, counted
from ermu.registries import POLICIES
from ermu.runtime.files import shown
from ermu.runtime.session.session import Session
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.sessions.folder import SUFFIX, SessionFolder
from ermu.runtime.timing.interval import Interval

_TELL_SECONDS, _STOP_SECONDS = 60.0, 3.0

logger = logging.getLogger("ermu.streams")


class Snapshots(Closing):
    """Writes every stream's session into a folder every few seconds; a context manager around their run.

    The worker copies a stream between two of its frames; what takes long is done in a thread of its own. What
    has not changed is not written again. A disk that refuses is told once a minute, and the streams go on.

    Args:
        pipelines: Set up, not begun.
        folder: This process's; the caller's to close.
        seconds: From one round to the next.

    Raises:
        OptionError: the time is not positive.

    Attributes:
        written: Files so far.
        bytes: Of the latest file of each stream, by name.
    """

    def __init__(self, pipelines: Sequence[Pipeline], folder: SessionFolder, *, seconds: float = 5.0) -> None:
        if not seconds > 0:
            raise OptionError(f"Sessions every {seconds} seconds.", expected="more than 0 seconds")
        self._pipelines, self._folder, self._seconds = list(pipelines), folder, seconds
        self.written, self.bytes = 0, dict[str, int]()
        self._latest = dict[str, int]()
        self._say = Interval(_TELL_SECONDS)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="sessions", daemon=True)

    def restore(self) -> list[str]:
        """Has every stream go on from its session, where there is one, before it begins; their names.

        A session that cannot be taken is put aside, never written over: `STREAM.ermu.refused`.
        """
        resumed = []
        for pipeline in self._pipelines:
            path = self._folder.session(pipeline.name)
            for torn in self._folder.path.glob(f".{pipeline.name}.*{SUFFIX}"):  # of a process that was killed
                torn.unlink(missing_ok=True)
            if not path.exists():
                continue
            try:
                session = Session.read(path)
                check_bounded(session)
                pipeline.resume_session(session)
                resumed.append(pipeline.name)
            except ErmuError as error:
                aside = _free_name(path)
                path.rename(aside)
                told = pipeline.name, shown(aside), str(error).replace("\n", " ")
                logger.error("The session of %s is refused, kept as %s: %s", *told)
        return resumed

    def save(self) -> None:
        """One round over all streams; what cannot be written is told."""
        for pipeline in self._pipelines:
            try:
                self._save(pipeline)
            except (
                StateError,
                TimeoutError,
            ):  # no frame yet, memory gone with a failure, a worker that is busy
                continue
            except ErmuError as error:
                if self._say.due():
                    logger.error("The session of %s is not saved: %s", pipeline.name, error.problem)

    def summary(self) -> str:
        """How many were written, how large they are, how long the worker was held up, in words."""
        slowest = max((p.copying.maximum for p in self._pipelines), default=0.0)
        usual = max((p.copying.percentile(50) for p in self._pipelines), default=0.0)
        size = sum(self.bytes.values()) / 1e6
        return (
            f"{counted(self.written, 'session')} written to {shown(self._folder.path)}, "
            f"the latest {size:.1f} MB; "
            f"copied between frames in {usual:.1f} ms (p50), {slowest:.1f} ms at most"
        )

    def __enter__(self) -> Snapshots:
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends the thread, and saves once more what the streams have come to; twice is harmless."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
        if not self._thread.is_alive():
            self.save()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.save()

    def _save(self, pipeline: Pipeline) -> None:
        session = pipeline.session()
        state = _mark(session)
        if self._latest.get(pipeline.name) == state:
            return
        path = self._folder.session(pipeline.name)
        session.write(path)
        self._latest[pipeline.name] = state
        self.bytes[pipeline.name] = path.stat().st_size
        self.written += 1


def check_bounded(session: Session) -> None:
    """Refuses a session whose memory would grow for ever.

    Raises:
        SessionError: its policy keeps every frame.
    """
    policy = session.head.segmenter.options.policy
    if not POLICIES.get(policy).bounded:
        raise SessionError(
            f"The session's policy {policy} keeps every frame for ever.",
            expected="a policy that stops at the capacity",
            fix="switch_policy before it is saved",
        )


def _mark(session: Session) -> int:
    """A number that changes with what is remembered."""
    mark = zlib.crc32(session.head.model_copy(update={"saved": ""}).model_dump_json().encode())
    for name in ("label", "logits"):
        mark = zlib.crc32(session.arrays[name].data, mark)
    return mark


def _free_name(path: Path) -> Path:
    """A name beside it that is not taken."""
    aside, number = path.with_name(f"{path.name}.refused"), 2
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.refused{number}"), number + 1
    return aside
