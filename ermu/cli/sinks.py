"""What a command's sinks will write, known before they are opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ermu.cli.paths import Paths


def tell_sinks(paths: Paths, wanted: Sequence[str], streams: Sequence[str | None]) -> None:
    """Tells every file and folder that sinks will write.

    Args:
        paths: To tell.
        wanted: `NAME` or `NAME=TARGET`, as `open_sink` takes them.
        streams: Names that become part of the files' names; a single None where there is one stream.

    Raises:
        OptionError: there is no such sink, or its target is missing.
    """
    from ermu.registries import SINKS
    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.sources.base import DEFAULT_FPS

    for what in wanted:
        name, separator, target = what.partition("=")
        kind = SINKS.get(name)
        for stream in streams:
            output = kind.output(target if separator else None, SinkContext(DEFAULT_FPS, stream))
            paths.writes(f"the {name}", output, folder=kind.fills_folder)
