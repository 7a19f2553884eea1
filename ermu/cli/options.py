"""Options that several commands share, so that they read alike; names come from the registries."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ermu.devices.names import parse_device
from ermu.registries import BACKENDS, PEERS, POLICIES, SINKS


def listed(names: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


BUNDLE_HELP = "A bundle folder, demo, hf://org/name[@revision], or https://...#sha256=HEX of an archive."

Policy = Annotated[
    str | None, typer.Option(help=f"Eviction policy: {listed(POLICIES.names())}; default: the bundle's.")
]
Capacity = Annotated[int | None, typer.Option(min=2, help="Memory frames; default: the bundle's.")]
Gap = Annotated[
    int | None, typer.Option(min=1, help="Frames between memory appends; default: the bundle's rule.")
]
GapSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between memory appends instead, for streams that drop frames."),
]
LongEdge = Annotated[
    int | None,
    typer.Option(min=33, help="Scale larger frames down to this long edge; default: the bundle's."),
]
IdentityChannels = Annotated[
    str,
    typer.Option(
        "--identities",
        help="present: identities that no object has are silenced; published: ten stay alive, as in the "
        "published inference.",
    ),
]
MaxGroups = Annotated[
    int,
    typer.Option(
        min=1,
        max=25,
        help="Groups of objects beyond which the youngest are joined when objects are added: a frame's time "
        "grows with them.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="fp32; bf16 (CPU); one that `ermu build` has added; auto, the fastest of those that change "
        "little; default: the bundle's."
    ),
]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend", help=f"What runs the graphs: auto, the fastest here; {listed(BACKENDS.names())}."
    ),
]
Device = Annotated[
    str, typer.Option(help="Where to run: cpu, cuda, or cuda:1 for another than the first GPU.")
]
Decode = Annotated[
    str,
    typer.Option(
        help="Where video is decoded: cpu, or cuda (cuda:1); the CPU stands in where that fails.",
        callback=lambda name: str(parse_device(name)),
    ),
]
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
Objects = Annotated[
    Path | None,
    typer.Option(help="Write one JSON object a frame: ids, states, boxes, areas, COCO run lengths."),
]
LaneCount = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        min=1,
        help="Streams segmented side by side, each lane with its share of the threads and work memory of its "
        "own; default: as many as there are streams or threads, one on a GPU.",
    ),
]
Against = Annotated[
    str,
    typer.Option(
        help=f"Peers, with commas: {','.join(PEERS.names())}; NAME=PATH gives other networks weights."
    ),
]


@dataclass(frozen=True)
class SegmenterOptions:
    """The options of `Segmenter`, by its own names: a command takes them all with `with_option_groups`."""

    policy: Policy = None
    capacity: Capacity = None
    gap: Gap = None
    gap_seconds: GapSeconds = None
    long_edge: LongEdge = None
    identities: IdentityChannels = "present"
    max_groups: MaxGroups = 25
    precision: Precision = None
    backend: BackendName = "auto"
    device: Device = "cpu"
    threads: Threads = None
    kernels: KernelsName = None
    plan: PlanName = None

    def keywords(self) -> dict[str, Any]:
        """As `Segmenter` and `SharedBackend` take them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class PromptOptions:
    """What to follow: label maps, boxes and points, or whatever is drawn on the page."""

    prompt: Annotated[
        list[Path] | None,
        typer.Option(
            "--prompt",
            "--prompts",
            help="Label map of the first frame (palette PNG), or a folder of them named after frames, "
            "each with what appears there; one a source; a scene has its own.",
        ),
    ] = None
    box: Annotated[
        list[str] | None,
        typer.Option(help="x0,y0,x1,y1 around an object of the first frame, in its pixels; repeatable."),
    ] = None
    point: Annotated[
        list[str] | None, typer.Option(help="x,y on an object of the first frame; repeatable.")
    ] = None
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="Serve the live page, to look at and draw on; in a terminal it comes by itself if nothing "
            "says what to follow. A file waits for its first object.",
        ),
    ] = False
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")] = 8000


@dataclass(frozen=True)
class RecordOptions:
    """How the files of a stream that goes on for long are cut and kept."""

    segment_seconds: Annotated[
        float | None,
        typer.Option(
            min=1, help="Begin videos and records anew after so long, in files named after their beginning."
        ),
    ] = None
    keep_days: Annotated[
        float | None, typer.Option(help="Remove such files that are older, when the next one begins.")
    ] = None


@dataclass(frozen=True)
class SinkOptions:
    """Sinks beside the label maps: those of `--sink`, and short ways to some of them."""

    sink: SinkList = None
    overlay: Annotated[
        Path | None,
        typer.Option(help="Write a video with the objects drawn in; several streams add their names."),
    ] = None
    trace: Annotated[
        Path | None,
        typer.Option(help="Write one JSON object a frame: memory, evictions, scores, times."),
    ] = None
    objects: Objects = None
    window: Annotated[bool, typer.Option("--window", help="Show the overlay in a window.")] = False

    def wanted(self) -> list[str]:
        """All of them as `--sink` says it."""
        files = {"overlay": self.overlay, "trace": self.trace, "objects": self.objects}
        short = [f"{name}={path}" for name, path in files.items() if path]
        return [*short, *(["window"] if self.window else []), *(self.sink or [])]
