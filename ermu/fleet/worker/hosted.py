"""One stream in a worker: its source, its pipeline, its sinks, and its session on the disk."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from ermu.errors import SessionError
from ermu.fleet.worker.kept import Kept
from ermu.fleet.worker.settings import WorkerSettings
from ermu.logs import in_stream
from ermu.runtime.config.schema import StreamEntry
from ermu.runtime.config.stream_choice import choice_of
from ermu.runtime.images.labels import read_label_map
from ermu.runtime.serve.broadcast import Broadcast
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.session.session import Session
from ermu.runtime.sinks.base import Sink, SinkContext, make_folder
from ermu.runtime.sinks.opening import open_sink
from ermu.runtime.sources.base import Source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.prompters import Prompters
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.runtime.streams.work.shared_backend import SharedBackend

logger = logging.getLogger("ermu.fleet")


class HostedStream:
    """A stream that begins where its session ended.

    Args:
        entry: With all that its file says of it.
        settings: Of the worker.
        shared: What the worker's streams share.
        prompters: Of the worker.
        scheduler: Of the worker.

    Raises:
        ErmuError: its source, prompt, session or a sink cannot be opened.
    """

    def __init__(
        self,
        entry: StreamEntry,
        settings: WorkerSettings,
        shared: SharedBackend,
        prompters: Prompters,
        scheduler: Scheduler,
    ) -> None:
        self.entry, self._settings, self._shared, self._scheduler = entry, settings, shared, scheduler
        self._prompters = prompters
        self.kept = Kept(Path(settings.sessions), entry.name)
        self.restored_frame: int | None = None
        self.saved_frame: int | None = None
        self.replays = False  # from its session on: a file loses no frame
        self._saving, self._stack = Lock(), ExitStack()
        session = self._session()
        with ExitStack() as opening, ExitStack() as failing:
            source = self._source(opening, session)
            self.broadcast = Broadcast()
            sinks: list[Sink] = [self.broadcast, *self._sinks(failing, source.fps)]
            self.pipeline = scheduler.ask(lambda: self._pipeline(source, sinks, session))
            failing.pop_all()
            self._stack = opening.pop_all()

    @property
    def served(self) -> ServedStream:
        """As the worker's server shows it."""
        return ServedStream(self.pipeline, self.broadcast)

    def save(self) -> bool:
        """Snapshots it; whether it is this worker's still.

        Raises:
            ErmuError: it cannot be written.
        """
        with self._saving, in_stream(self.entry.name):
            if not self.kept.is_of(self._settings.name):
                return False
            latest = self.pipeline.latest
            if latest is not None:
                make_folder(self.kept.folder)
                self.pipeline.save(self.kept.session)
                self.saved_frame = latest.result.frame
        return True

    def status(self) -> dict[str, Any]:
        """A small record of it, ready for JSON."""
        said = {"restored_frame": self.restored_frame, "saved_frame": self.saved_frame}
        ids = {each.id: each.name for each in self.pipeline.objects.sightings}
        return {"info": self.served.info(), "objects": ids, "replays": self.replays, **said}

    def stop(self, *, save: bool = False) -> None:
        """Ends it; with `save`, its session has all that it has segmented.

        Raises:
            ErmuError: a sink has failed, or the session cannot be written: an earlier one is there still.
            TimeoutError: the worker is too busy.
        """
        try:
            self._scheduler.remove(self.pipeline)
            self.pipeline.finish()
            if save and self.kept.is_of(self._settings.name) and self.pipeline.latest is not None:
                self._scheduler.ask(self.pipeline.session).write(self.kept.session)
        finally:
            self._stack.close()
            self._scheduler.ask(lambda: self._shared.release(self.pipeline.segmenter))

    def _session(self) -> Session | None:
        """Its own session, else the one to begin from; one of its own that is damaged is set aside.

        Raises:
            SessionError: the one that it is to begin from cannot be used.
        """
        own = self.kept.session
        if own.is_file():
            try:
                return Session.read(own)
            except SessionError as error:
                aside = own.replace(own.with_suffix(".damaged"))
                logger.error("The stream %s begins anew, see %s: %s", self.entry.name, aside, error.problem)
        return Session.read(self.entry.session) if self.entry.session else None

    def _source(self, opening: ExitStack, session: Session | None) -> Source:
        choice = choice_of(self.entry)
        opened = opening.enter_context(choice.opened())
        if opened.live:
            return opened
        self.replays = True
        stream = None if session is None or not self.kept.session.is_file() else session.head.stream
        begin_at = 0 if stream is None else stream.latest.index + 1
        return opening.enter_context(PacedSource(opened, loop=choice.loop, begin_at=begin_at))

    def _sinks(self, failing: ExitStack, fps: float) -> list[Sink]:
        name = self.entry.name
        context = SinkContext(fps, name, name=name, live=True)
        sinks = list[Sink]()
        for what in self.entry.sinks or ():
            sinks.append(open_sink(what, context))
            failing.callback(sinks[-1].close)
        return sinks

    def _pipeline(self, source: Source, sinks: list[Sink], session: Session | None) -> Pipeline:
        """On the worker's own thread, which its device's memory belongs to."""
        entry = self.entry
        prompter = self._prompters.of(entry.prompter)
        live = replace(LiveOptions(), stale_seconds=entry.stale_after)
        with ExitStack() as failing:
            segmenter = self._shared.segmenter(**entry.of_segmenter)
            failing.callback(self._shared.release, segmenter)
            pipeline = Pipeline(segmenter, source, sinks, name=entry.name, live=live, prompter=prompter)
            if session is None:
                pipeline.begin(read_label_map(Path(entry.prompt)) if entry.prompt else None)
            else:
                pipeline.resume_session(session)
                self.restored_frame = segmenter.frame
                pipeline.begin()
            failing.pop_all()
        return pipeline
