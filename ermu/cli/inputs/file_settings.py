"""What a streams file says beside its sources, as far as one server can follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermu.errors import OptionError

if TYPE_CHECKING:
    from ermu.cli.bundles import BundleOptions
    from ermu.cli.options import SegmenterOptions
    from ermu.runtime.config.schema import StreamEntry, StreamsFile
    from ermu.runtime.streams.pipeline import Pipeline

_OF_ALL = ("bundle", "backend", "precision")


@dataclass(frozen=True)
class FileSettings:
    """Settings of a file's streams; of streams that come from options, none.

    Attributes:
        entries: With all that the file says of them.
        sessions: Folder of the sessions.
    """

    entries: Sequence[StreamEntry] = ()
    sessions: Path | None = None
    _common: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: StreamsFile | None) -> FileSettings:
        """A file's.

        Raises:
            OptionError: its streams differ in what a server has once.
        """
        if file is None:
            return cls()
        entries, common = [file.resolved(entry) for entry in file.streams], {}
        for name in _OF_ALL:
            values = {getattr(entry, name) for entry in entries}
            if len(values) > 1:
                raise OptionError(
                    f"The file's streams differ in their {name}, which one server has once.",
                    expected=f"one {name} for all",
                    fix="ermu fleet --config runs each in a worker of its own kind",
                )
            common[name] = values.pop()
        return cls(entries, Path(file.sessions) if file.sessions else None, common)

    def fill(self, which: BundleOptions, options: SegmenterOptions) -> tuple[BundleOptions, SegmenterOptions]:
        """The command's options, with what the file says where they leave it out."""
        bundle, backend, precision = (self._common.get(name) for name in _OF_ALL)
        if which.bundle is None and which.checkpoint is None:
            which = replace(which, bundle=bundle)
        if options.backend == "auto" and backend is not None:
            options = replace(options, backend=backend)
        return which, replace(options, precision=options.precision or precision)

    def of_segmenter(self, number: int) -> dict[str, Any]:
        """What a stream's segmenter has of its own."""
        return self.entries[number].of_segmenter if self.entries else {}

    def sinks(self, number: int) -> list[str]:
        """A stream's own sinks, as `--sink` has them."""
        return list(self.entries[number].sinks or ()) if self.entries else []

    def prompter(self, number: int) -> str | None:
        """What a stream says of its prompter, as `--prompter` has it."""
        return self.entries[number].prompter if self.entries else None

    def begin(self, number: int, pipeline: Pipeline) -> None:
        """Begins a stream: from what it has gone on from already, else its session, else its prompt.

        Raises:
            ErmuError: its session or its prompt cannot be read.
        """
        from ermu.runtime.images.labels import read_label_map

        entry = self.entries[number] if self.entries else None
        if entry is None or pipeline.latest is not None:
            pipeline.begin()
        elif entry.session is not None:
            pipeline.restore(entry.session)
            pipeline.begin()
        else:
            pipeline.begin(read_label_map(Path(entry.prompt)) if entry.prompt else None)
