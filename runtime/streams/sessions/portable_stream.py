"""A stream that can be saved while it runs, and go on from what was saved."""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter

from ermu.errors import PromptError, StateError
from ermu.runtime.images.prompter import Prompter
from ermu.runtime.session.session import Session
from ermu.runtime.streams.sessions.stream_state import resume, session_of
from ermu.runtime.streams.steering import Steering
from ermu.runtime.streams.tracker import Tracker, no_frame
from ermu.runtime.timing.statistics import Samples

_KEPT = 512  # times that percentiles are taken over

logger = logging.getLogger("ermu.streams")


class PortableStream(Steering):
    """The part of a `Pipeline` that saves and restores.

    Attributes:
        copying: Milliseconds that the worker took to copy it, each time.
    """

    name: str
    paused: bool

    def __init__(self, tracker: Tracker, prompter: Prompter | None) -> None:
        super().__init__(tracker, prompter)
        self.copying = Samples(_KEPT)

    def save(self, path: str | Path) -> None:
        """Writes all that the stream remembers to a file, whole or not at all; from any thread.

        The worker copies it between two frames; it is written in the caller's thread. Corrections that could
        be undone, recent pictures and timings are not in it.

        Args:
            path: Of the file, `.ermu` by custom.

        Raises:
            StateError: no frame has been segmented yet, or the policy cannot be saved.
            SinkError: it cannot be written; what was there is as it was.
            TimeoutError: the worker did not come to it within ten seconds.
        """
        self.session().write(path)

    def session(self) -> Session:
        """What the stream remembers, copied between two frames; from any thread, raises as `save`."""
        return self._ask(self._session)

    def restore(self, path: str | Path) -> None:
        """Goes on where the saved stream was: objects, ids, names, states and memories, policy and pause.

        Before `begin`, or while it runs: then what it remembered itself is forgotten. To the bit with the
        same backend, plan and frames. Policy, capacity, gap and the other options of the memory are the
        session's. Where the frames' times begin anew, the session's are moved to just before.

        Args:
            path: Of a file that `save` has written.

        Raises:
            SessionError: there is no such file; it is truncated, altered, foreign, of another version, bundle
                or precision, or a segmenter's alone. Everything is as it was.
            OptionError: its policy is not known here; likewise.
            BackendError: there is not enough memory; likewise.
        """
        self.resume_session(Session.read(path))

    def prime(self, session: Session | str | Path) -> None:
        """Has the stream begin with what a session of another one remembers of its objects.

        They keep ids and names, and are looked for in the first frame without a mask; frame numbers go on
        from the session's. Before `begin`.

        Args:
            session: Or its file; a segmenter's alone or a stream's.

        Raises:
            SessionError: it cannot be read, or is of another bundle or precision.
            StateError: the stream has segmented a frame.
        """
        session = Session.of(session)
        session.check_for(self.tracker.segmenter.bundle)
        if self.tracker.latest is not None:
            raise StateError(f"The stream {self.name} has its objects.", fix="prime it before it begins")
        self.tracker.primed = session

    def resume_session(self, session: Session) -> None:
        """As `restore`, from a session that has been read."""
        self._ask(lambda: self._resume(session))

    def _session(self) -> Session:
        began = perf_counter()
        try:
            session = session_of(self.tracker, self.name, paused=self.paused)
            self.copying.add(1e3 * (perf_counter() - began))
            return session
        except PromptError as error:  # a stream without a frame
            told = no_frame(self.trouble)
            raise StateError(told.problem, fix=told.fix) from error

    def _resume(self, session: Session) -> None:
        segmenter, own = self.tracker.segmenter, session.head.segmenter.options
        before = segmenter.policy, segmenter.capacity
        self.paused = resume(self.tracker, session).paused
        logger.info(
            "The stream %s goes on from frame %d of a session, with the objects %s.",
            self.name,
            segmenter.frame,
            self.tracker.objects.ids,
        )
        if before != (own.policy, own.capacity):
            logger.warning(
                "The session's policy %s and capacity %d take the place of %s and %d.",
                *(own.policy, own.capacity, *before),
            )
