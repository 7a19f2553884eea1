"""The demonstration: the demo network exported, then a clip segmented, with figures."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ermu.assets import DEMO_BUNDLE, DEMO_CHECKPOINT, DEMO_EXPORT
from ermu.errors import SourceError
from ermu.evaluation.metrics import last_quarter, object_count, region_similarities
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.label_folder import remove_own
from ermu.runtime.images.prompter import Box, GrabCutPrompter
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink, SinkContext
from ermu.runtime.sinks.kinds.labels import LabelSink
from ermu.runtime.sinks.kinds.overlay import OverlaySink
from ermu.runtime.sinks.kinds.trace import TraceSink
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.opening import open_source
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.run_summary import RunSummary
from ermu.scenes.catalogue import demo_scene
from ermu.scenes.source import SceneSource
from ermu.types import LabelMap

REAL_FOOTAGE = (
    "real      the 480p frames of DAVIS 2016, https://davischallenge.org, unpacked into DAVIS: "
    "ermu eval --bundle demo --dataset davis2016 --root DAVIS"
)


def run_demo(out: Path, *, source: str | None, frames: int, console: Console) -> None:
    """Exports the demo network, segments a clip and reports; everything it writes lies under `out`.

    Args:
        out: Folder, created where there is none; an earlier demo's files in it are replaced.
        source: A camera index or anything `ermu run` takes; None for the procedural clip with known labels.
        frames: Frames to segment at most.
        console: Where the figures go.

    Raises:
        SourceError: the source cannot be opened, or no window can be shown to draw a box in.
    """
    if source is not None:
        open_source(source).close()  # before a minute of exporting
    bundle = _exported(out / "bundle", console)
    if source is None:
        scene = SceneSource(replace(demo_scene(), frames=frames))
        similarities: list[npt.NDArray[np.float64]] = []
        label = scene.label(0)
        objects = object_count(label)
        console.print(
            f"clip      {frames} frames at 640x360, {objects} objects, drawn from a seed", markup=False
        )
        summary = _segment(bundle, scene, label, out, frames, lambda f, r: _score(scene, f, r, similarities))
        _print_accuracy(np.stack(similarities[1:]), console)
    else:
        with open_source(source) as camera:
            first = next(iter(camera), None)
            if first is None:
                raise SourceError(f"The source {source} ended before its first frame.")
            label = _ask_for_box(first)
            summary = _segment(bundle, camera, label, out, frames, lambda f, r: None)
    _print_speed(summary, out, console)
    if source is None:
        console.print(REAL_FOOTAGE, highlight=False, markup=False, soft_wrap=True)


def _exported(folder: Path, console: Console) -> Bundle:
    """The demo network's bundle: exported here and now where torch is installed, else the ready-made one."""
    if find_spec("torch") is None or find_spec("onnx") is None:
        console.print("bundle    the ready-made one (install 'ermu[export]' to see the export)", markup=False)
        return Bundle.load(DEMO_BUNDLE)
    from ermu.export.bundle_writer import export_bundle

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("export", total=None)
        bundle = export_bundle(
            DEMO_CHECKPOINT,
            folder,
            **DEMO_EXPORT,
            overwrite=True,
            progress=lambda what, step, steps: bar.update(
                task, description=what, completed=step, total=steps
            ),
        )
    worst = max(graph.max_difference for graph in bundle.manifest.graphs.values())
    line = f"bundle    {DEMO_CHECKPOINT.name} -> {folder}, largest difference to torch {worst:.1e}"
    console.print(line, markup=False, soft_wrap=True)
    return bundle


def _segment(bundle, source: Source, label: LabelMap, out: Path, frames: int, on_frame) -> RunSummary:  # type: ignore[no-untyped-def]
    remove_own(out / "labels")
    sinks: list[Sink] = [
        LabelSink(out / "labels"),
        OverlaySink(out / "overlay.mp4", SinkContext(source.fps)),
        TraceSink(out / "trace.jsonl"),
    ]
    with Segmenter(bundle) as segmenter:
        return Pipeline(segmenter, source, sinks).run(label, max_frames=frames, on_frame=on_frame)


def _score(
    scene: SceneSource, frame: Frame, result: FrameResult, similarities: list[npt.NDArray[np.float64]]
) -> None:
    truth = scene.label(frame.index)
    similarities.append(region_similarities(truth, result.label, object_count(scene.label(0))))


def _ask_for_box(frame: Frame) -> LabelMap:
    """Lets the user draw a box on the first frame; GrabCut turns it into a label map."""
    try:
        x, y, width, height = cv2.selectROI("Draw a box around an object, then press Enter", frame.image)
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise SourceError(
            "No window can be shown to draw a box in.",
            fix="use `ermu serve --bundle demo --source 0` and draw in the browser",
        ) from error
    mask = GrabCutPrompter().from_box(frame.image, Box(x, y, x + width, y + height))
    return mask.astype(np.uint8)


def _print_accuracy(similarities: npt.NDArray[np.float64], console: Console) -> None:
    table = Table(title="Intersection over union with the known labels")
    for column in ("object", "J", "J in the last quarter"):
        table.add_column(column, justify="right")
    last = last_quarter(similarities)
    for i, (mean, late) in enumerate(zip(similarities.mean(0), last.mean(0), strict=True), start=1):
        table.add_row(str(i), f"{mean:.3f}", f"{late:.3f}")
    table.add_section()
    table.add_row("mean", f"{similarities.mean():.3f}", f"{last.mean():.3f}")
    console.print(table)


def _print_speed(summary: RunSummary, out: Path, console: Console) -> None:
    console.print(
        f"speed     {summary.fps:.1f} FPS with reading and writing; a frame p50 "
        f"{summary.percentile(50):.0f} ms, p99 {summary.percentile(99):.0f} ms",
        highlight=False,
    )
    for loss in summary.losses():
        console.print(f"source    {loss}", markup=False, highlight=False)
    for what, name in (("overlay", "overlay.mp4"), ("labels", "labels"), ("trace", "trace.jsonl")):
        console.print(f"{what:9} {out / name}", highlight=False, markup=False, soft_wrap=True)
