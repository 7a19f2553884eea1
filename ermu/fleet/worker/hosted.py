"""One stream in a worker: its source, its pipeline, its sinks, and its session on the disk."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from ermu.fleet.worker.kept import Kept
from ermu.fleet.worker.settings import WorkerSettings
from ermu.fleet.worker.standin import restore, save
from ermu.logs import in_stream
from ermu.runtime.config.schema import StreamEntry
from ermu.runtime.config.stream_choice import choice_of
from ermu.runtime.images.labels import read_label_map
from ermu.runtime.serve.broadcast import Broadcast
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.sinks.base import Sink, SinkContext
from ermu.runtime.sinks.opening import open_sink
from ermu.runtime.sources.base import Source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.scheduler import Scheduler
from ermu.runtime.streams.segmenters import SharedBackend

logger = logging.getLogger("ermu.fleet")


class HostedStream:
    """A stream that begins where its session ended.

    Args:
        entry: With all that its file says of it.
        settings: Of the worker.
        shared: What the worker's streams share.
        scheduler: Of the worker.

    Raises:
        ErmuError: its source, prompt, session or a sink cannot be opened.
    """

    def __init__(
        self, entry: StreamEntry, settings: WorkerSettings, shared: SharedBackend, scheduler: Scheduler
    ) -> None:
        self.entry, self._settings, self._shared, self._scheduler = entry, settings, shared, scheduler
        self.kept = Kept(Path(settings.sessions), entry.name)
        self.restored_frame: int | None = None
        self.saved_frame: int | None = None
        self.replays = False  # from its session on: a file loses no frame
        self._saving, self._stack = Lock(), ExitStack()
        with ExitStack() as opening:
            source = self._source(opening)
            self.broadcast = Broadcast()
            sinks: list[Sink] = [self.broadcast, *self._sinks(source.fps)]
            self.pipeline = scheduler.ask(lambda: self._pipeline(source, sinks))
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
                save(self.pipeline, self.kept.session)
                self.saved_frame = latest.result.frame
                self.kept.note(frame=latest.result.frame, index=latest.frame.index)
        return True

    def status(self) -> dict[str, Any]:
        """A small record of it, ready for JSON."""
        said = {"restored_frame": self.restored_frame, "saved_frame": self.saved_frame}
        ids = {each.id: each.name for each in self.pipeline.objects.sightings}
        return {"info": self.served.info(), "objects": ids, "replays": self.replays, **said}

    def stop(self) -> None:
        """Ends it, without a snapshot."""
        try:
            self._scheduler.remove(self.pipeline)
            self.pipeline.finish()
        finally:
            self._stack.close()
            self._scheduler.ask(lambda: self._shared.release(self.pipeline.segmenter))

    def _source(self, opening: ExitStack) -> Source:
        choice = choice_of(self.entry)
        opened = opening.enter_context(choice.opened())
        if opened.live:
            return opened
        index = self.kept.noted().get("index")
        begin_at = index + 1 if isinstance(index, int) and self.kept.session.is_file() else 0
        self.replays = True
        return opening.enter_context(PacedSource(opened, loop=choice.loop, begin_at=begin_at))

    def _sinks(self, fps: float) -> list[Sink]:
        name = self.entry.name
        context = SinkContext(fps, name, name=name, live=True)
        return [open_sink(what, context) for what in self.entry.sinks or ()]

    def _pipeline(self, source: Source, sinks: list[Sink]) -> Pipeline:
        """On the worker's own thread, which its device's memory belongs to."""
        entry = self.entry
        own = {name: getattr(entry, name) for name in ("policy", "capacity", "gap")}
        segmenter = self._shared.segmenter(
            **{name: value for name, value in own.items() if value is not None}
        )
        live = replace(LiveOptions(), stale_seconds=entry.stale_after)
        pipeline = Pipeline(segmenter, source, sinks, name=entry.name, live=live)
        session = self.kept.session if self.kept.session.is_file() else None
        session = session or (Path(entry.session) if entry.session else None)
        if session is not None:
            label = restore(pipeline, session)
            self.restored_frame = self.kept.noted().get("frame")
            pipeline.begin(label)
        else:
            pipeline.begin(read_label_map(Path(entry.prompt)) if entry.prompt else None)
        return pipeline
