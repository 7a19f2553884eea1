"""`ermu run`: segments a source from its first label map on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def run(
    bundle: Annotated[str, typer.Option(help="A bundle folder.")],
    source: Annotated[str, typer.Option(help="Image folder, glob, video file or camera index.")],
    prompt: Annotated[Path, typer.Option(help="Label map of the first frame (palette PNG).")],
    out: Annotated[Path, typer.Option(help="Folder for the label maps: OUT/labels/<name>.png.")],
    policy: Annotated[str, typer.Option(help="Eviction policy: ermu, rmem, fifo or none.")] = "ermu",
    capacity: Annotated[
        Optional[int],  # noqa: UP045  typer evaluates annotations on Python 3.10
        typer.Option(help="Memory frames; default: the bundle's."),
    ] = None,
    gap: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Frames between memory appends; default: the bundle's."),
    ] = None,
    long_edge: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Scale larger frames down to this long edge; default: the bundle's, 1040."),
    ] = None,
    max_frames: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Stop after so many frames."),
    ] = None,
    overlay: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write a video with the objects drawn in."),
    ] = None,
    trace: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write one JSON object a frame: memory, evictions, scores, times."),
    ] = None,
    threads: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="CPU threads; default: all cores."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Segment a video: label maps out of frames, following the objects of the first label map."""
    from rich.console import Console
    from rich.progress import Progress

    from ermu.runtime import Bundle, Pipeline, Segmenter, open_source
    from ermu.runtime.labels import read_label_map
    from ermu.runtime.sinks import LabelSink, OverlaySink, Sink, TraceSink, claim_folder

    loaded = Bundle.load(bundle)
    label = read_label_map(prompt)
    with open_source(source) as frames, Progress(console=Console(), transient=True) as bar:
        segmenter = Segmenter(
            loaded, policy=policy, capacity=capacity, gap=gap, long_edge=long_edge, threads=threads
        )
        sinks: list[Sink] = [LabelSink(claim_folder(out, overwrite=overwrite) / "labels")]
        if overlay:
            sinks.append(OverlaySink(overlay, frames.fps))
        if trace:
            sinks.append(TraceSink(trace))
        task = bar.add_task("segment", total=max_frames or frames.total_frames)
        summary = Pipeline(segmenter, frames, sinks).run(
            label, max_frames=max_frames, on_frame=lambda frame, result: bar.advance(task)
        )
    Console().print(
        f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.2f} FPS), "
        f"a frame p50 {summary.percentile(50):.0f} ms, p99 {summary.percentile(99):.0f} ms -> {out}",
        highlight=False,
    )
