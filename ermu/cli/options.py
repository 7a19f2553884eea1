"""Options that several commands share, so that they read alike; names come from the registries."""

from __future__ import annotations

from typing import Annotated

import typer

from ermu.registries import BACKENDS, PEERS, POLICIES, SINKS


def listed(names: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


BundleName = Annotated[str, typer.Option("--bundle", help="A bundle folder, or demo.")]
Policy = Annotated[str, typer.Option(help=f"Eviction policy: {listed(POLICIES.names())}.")]
Capacity = Annotated[int | None, typer.Option(min=2, help="Memory frames; default: the bundle's.")]
Gap = Annotated[int | None, typer.Option(min=1, help="Frames between memory appends; default: the bundle's.")]
GapSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between memory appends instead, for streams that drop frames."),
]
LongEdge = Annotated[
    int | None,
    typer.Option(min=33, help="Scale larger frames down to this long edge; default: the bundle's."),
]
Precision = Annotated[
    str | None,
    typer.Option(help="fp32; bf16 (CPU); or one that `ermu build` has added; default: the bundle's."),
]
BackendName = Annotated[
    str, typer.Option("--backend", help=f"What runs the graphs: {listed(BACKENDS.names())}.")
]
Device = Annotated[str, typer.Option(help="Where to run: cpu, or cuda.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; default: the processors that may be used.")
]
KernelsName = Annotated[
    str | None, typer.Option("--kernels", help="numpy, cpu or cuda; default: the best for the device.")
]
PlanName = Annotated[
    str | None, typer.Option("--plan", help="whole or external_attention; default: the better one here.")
]
SinkList = Annotated[
    list[str] | None,
    typer.Option("--sink", help=f"NAME or NAME=TARGET, repeatable: {listed(SINKS.names())}."),
]
Against = Annotated[str, typer.Option(help=f"Peers, with commas: {','.join(PEERS.names())}.")]
