"""What `ermu run` and `ermu serve` share: names, the table of streams."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ermu.errors import OptionError, counted
from ermu.redaction import redact

if TYPE_CHECKING:
    from rich.table import Table

    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.segmenter import Segmenter
    from ermu.runtime.sources.base import Source
    from ermu.runtime.streams.pipeline import Pipeline

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def stream_names(sources: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """The streams' names: those given, or 0, 1, ...

    Raises:
        OptionError: there are not as many as sources, or one cannot be part of an address or a file name.
    """
    if not names:
        return [str(i) for i in range(len(sources))]
    if len(names) != len(sources):
        raise OptionError(
            f"{counted(len(sources), 'source')} and {counted(len(names), 'name')} are given.",
            expected="one --name a --source",
        )
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise OptionError(
                f"A stream cannot be called '{name}'.",
                expected="names that differ, of up to 32 letters, digits, - and _",
            )
    return list(names)


def fit_gaps(
    bundle: Bundle, segmenters: Sequence[Segmenter], sources: Sequence[Source], max_frames: int | None
) -> None:
    """Gives the segmenter of every source of known length the gap that the bundle's rule asks for."""
    for segmenter, source in zip(segmenters, sources, strict=True):
        frames = min(filter(None, (source.total_frames, max_frames)), default=0)
        length = frames if source.total_frames else None
        segmenter.gap = bundle.manifest.memory.gap_for(length, segmenter.policy)


def stream_table(pipelines: Sequence[Pipeline]) -> Table:
    """The streams as they are now, for terminals of 80 columns and more."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("stream", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("frames", "FPS in\nand out", "dropped", "re-\nconnects", "objects", "ms p50\nand p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pipeline in pipelines:
        reader, timings = pipeline.reader, pipeline.timings
        latency = " / ".join(f"{timings.percentile('capture_to_result', q):.0f}" for q in (50, 99))
        rates = f"{reader.rate():.1f} / {pipeline.rate():.1f}"
        row = [f"{pipeline.name}, {pipeline.state.value}\n{pipeline.source.description}", pipeline.frames]
        row += [rates, reader.dropped, reader.reconnects, len(pipeline.objects.ids), latency]
        table.add_row(*(escape(redact(str(cell))) for cell in row))
    return table
