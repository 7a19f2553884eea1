"""The options that say what to read: sources one by one, or a file of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.cli.options import Decode
from ermu.errors import OptionError
from ermu.redaction import shown_address
from ermu.registries import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ermu.cli.inputs.file_settings import FileSettings
    from ermu.cli.paths import Paths
    from ermu.runtime.config.schema import StreamsFile
    from ermu.runtime.config.stream_choice import StreamChoice

logger = logging.getLogger("ermu.sources")


@dataclass(frozen=True)
class SourceOptions:
    """What to read, and how."""

    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Camera index or /dev/video0, rtsp:// or another address, video file, folder, glob, "
            f"scene:SEED; repeatable. Kinds: {', '.join(SOURCES.names())}."
        ),
    ] = None
    name: Annotated[
        list[str] | None,
        typer.Option(help="Names of the streams, one a source; default: 0, 1, ..."),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(help="A YAML file of streams instead, which keeps passwords off the command line."),
    ] = None
    rtsp_transport: Annotated[
        str, typer.Option(help="tcp, udp, or auto: TCP, and UDP where the server has no TCP.")
    ] = "auto"
    stale_after: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Seconds without a frame after which a live stream is stale; default: by its own rate.",
        ),
    ] = None
    decode: Decode = "cpu"

    def tell(self, paths: Paths, chosen: Sequence[StreamChoice]) -> None:
        """Tells what is read: the streams file, and the sources of the streams that were chosen."""
        paths.reads("the streams file", self.config)
        for choice in chosen:
            paths.reads("the source", choice.where)

    def said(self) -> FileSettings:
        """What the file says beside its sources.

        Raises:
            OptionError: as `chosen`, and where its streams differ in what a server has once.
        """
        from ermu.cli.inputs.file_settings import FileSettings

        return FileSettings.of(self._file)

    def warn_of_the_rest(self) -> None:
        """Says what of the file a command does not heed that takes its sources alone."""
        from ermu.runtime.config.stream_choice import fields_beside

        if self._file is not None and (rest := fields_beside(self._file)):
            logger.warning(
                "Of %s the sources alone are taken; %s is for ermu serve and ermu fleet.",
                self.config,
                ", ".join(rest),
            )

    def chosen(self, *, loop: bool = False) -> list[StreamChoice]:
        """The streams: those of the file, where it is given. What it does not say is as the options say.

        Raises:
            OptionError: nothing is to be read, the names do not fit, or the file cannot be taken as it is.
            DependencyError: what reads the file is not installed.
        """
        from ermu.cli.streams import stream_names
        from ermu.runtime.config.stream_choice import StreamChoice, choice_of

        given = {
            "rtsp_transport": self.rtsp_transport,
            "stale_after": self.stale_after,
            "decode": self.decode,
        }
        if self.config is not None and (self.source or self.name):
            raise OptionError(
                "There are a streams file and sources beside it.",
                expected="--config FILE, or --source and --name",
            )
        if self._file is not None:
            entries = self._file.streams
            names = stream_names([each.source for each in entries], [each.name for each in entries])
            return [
                choice_of(each.model_copy(update={"name": name}), {**given, "loop": loop})
                for name, each in zip(names, entries, strict=True)
            ]
        if not self.source:
            raise OptionError("There is nothing to read.", expected="--source SOURCE or --config FILE.yaml")
        if any(shown_address(where) != where for where in self.source):
            logger.warning(
                "A password on the command line can be read by everybody on this machine (ps): "
                "--config takes sources from a file."
            )
        names = stream_names(self.source, self.name)
        return [
            StreamChoice(name, where, loop=loop, **given)  # type: ignore[arg-type]
            for name, where in zip(names, self.source, strict=True)
        ]

    @cached_property
    def _file(self) -> StreamsFile | None:
        """The streams file, where one is given; read once."""
        from ermu.runtime.config.streams_file import read_streams_file

        return None if self.config is None else read_streams_file(self.config)
