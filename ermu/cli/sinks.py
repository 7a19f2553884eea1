"""What a command's sinks will write, known before they are opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ermu.cli.options import RecordOptions
    from ermu.cli.paths import Paths
    from ermu.runtime.sinks.base import SinkContext


def sink_contexts(
    names: Sequence[str], lives: Sequence[bool], records: RecordOptions, *, overwrite: bool
) -> list[SinkContext]:
    """What the sinks of each stream have to know; its rate once its source is open.

    Args:
        names: Of the streams; they become part of the files' names where there are several.
        lives: Whether each stream is live.
        records: As of the command.
        overwrite: As of the command.

    Raises:
        OptionError: options do not go together.
    """
    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.sources.base import DEFAULT_FPS

    return [
        SinkContext(
            DEFAULT_FPS,
            name if len(names) > 1 else None,
            name=name,
            live=live,
            overwrite=overwrite,
            segment_seconds=records.segment_seconds,
            keep_days=records.keep_days,
        )
        for name, live in zip(names, lives, strict=True)
    ]


def check_sinks(paths: Paths, wanted: Sequence[str], contexts: Sequence[SinkContext]) -> list[Path]:
    """Refuses a command whose sinks, or other outputs, would cost the user a file.

    Args:
        paths: Told of everything else that the command reads and writes.
        wanted: `NAME` or `NAME=TARGET`, as `open_sink` takes them.
        contexts: Of the streams.

    Returns:
        The folders of label maps that will be written, from which those of an earlier run may go.

    Raises:
        OptionError: there is no such sink, or its target is missing; or as `Paths.check`.
        SinkError: as `Paths.check` and `refuse_others`.
    """
    from ermu.registries import SINKS
    from ermu.runtime.images.label_folder import refuse_others

    for what in wanted:
        name, separator, target = what.partition("=")
        kind = SINKS.get(name)
        for context in contexts:
            output = kind.output(target if separator else None, context)
            kept = output is not None and kind.keeps(output, context)
            paths.writes(f"the {name}", output, folder=kind.fills_folder, kept=kept)
    paths.check()
    for folder in paths.folders:
        refuse_others(folder)
    return paths.folders
