"""Options that several commands share, so that they read alike."""

from __future__ import annotations

from typing import Annotated

import typer

Capacity = Annotated[int | None, typer.Option(help="Memory frames; default: the bundle's.")]
Gap = Annotated[int | None, typer.Option(help="Frames between memory appends; default: the bundle's.")]
GapSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between memory appends instead, for streams that drop frames."),
]
LongEdge = Annotated[
    int | None,
    typer.Option(help="Scale larger frames down to this long edge; default: the bundle's, 1040."),
]
