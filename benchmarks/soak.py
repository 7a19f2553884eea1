"""Soak: many streams for many frames, with reconnections, objects that come, go, are corrected; what grows?

    python benchmarks/soak.py --bundle BUNDLE --frames 100000 [--streams 4] [--save-every N] [--out soak.json]

Prints, and writes with --out, memory, threads and file handles after a third of the frames (and at least
1000) and at the end. Until some thousand objects have come and gone, the heap has holes to find; from then
on nothing may grow.
With --save-every a stream is saved and restored in its place after every N frames, one after another.
Exits with 1 when memory, resident or handed out by malloc, grew by more than 2 % of what is resident, a
thread or handle leaked, or an id went astray.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import numpy as np

from ermu.benchmarks.measures.footprint import Footprint
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.detections import Detection
from ermu.runtime.images.masks import extents
from ermu.runtime.images.prompter import Box
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.kinds.objects import ObjectSink
from ermu.runtime.sinks.kinds.trace import TraceSink
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.runtime.streams.work.shared_backend import SharedBackend
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import LabelMap

SIZE = (64, 80)
LONG_EDGE = 49  # the network sees 33 x 49: the bookkeeping is on trial, not the arithmetic
CONNECTION = 500  # frames until the connection breaks
RECORDED = 48  # pictures of each stream
STEER_EVERY = 25  # frames between two additions or removals
MAX_FOLLOWED = 3  # objects of a stream
REFINED = 0.3  # of the changes are corrections
DETECTED = 0.5  # of the additions come from a detector
GROWTH = 0.02
WARM_UP = 1000  # frames before the first footprint, however short the run


class FlakyCamera(Source):
    """Recorded pictures at a fixed rate, in connections of `CONNECTION` frames."""

    live = reconnects = True

    def __init__(self, seed: int, fps: float) -> None:
        scene = Scene(SceneConfig(seed=seed, size_hw=SIZE, frames=RECORDED, objects=3))
        self._pictures = [image for image, _ in scene]
        self.fps, self.description = fps, f"flaky camera {seed}"
        self._frames = 0
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        for _ in range(CONNECTION):
            sleep(1 / self.fps)
            if self._closed:
                return
            yield live_frame(self._frames, self._pictures[self._frames % RECORDED])
            self._frames += 1

    def close(self) -> None:
        self._closed = True


class Steering:
    """Adds, corrects and removes objects at random and keeps its own account of what should be there."""

    def __init__(self, pipelines: list[Pipeline], seed: int) -> None:
        self._pipelines, self._rng = pipelines, np.random.default_rng(seed)
        self._expected: list[set[int]] = [set() for _ in pipelines]
        self.added = self.removed = self.detected = self.refined = self.undone = self.astray = 0

    def act(self) -> None:
        """One change to one stream, then the check of every stream."""
        number = int(self._rng.integers(len(self._pipelines)))
        pipeline, expected = self._pipelines[number], self._expected[number]
        if pipeline.latest is None:
            return
        if expected and self._rng.uniform() < REFINED:
            self._refine(pipeline, int(self._rng.choice(sorted(expected))))
        elif expected and (len(expected) >= MAX_FOLLOWED or self._rng.uniform() < 0.5):
            gone = int(self._rng.choice(sorted(expected)))
            pipeline.remove_objects([gone])
            expected.remove(gone)
            self.removed += 1
        else:
            found = self._rng.uniform() < DETECTED
            new = set(self._detect(pipeline) if found else pipeline.add_objects(self._disk(pipeline)))
            self.added += len(new - expected)
            expected.update(new)
        self.check()

    def check(self) -> None:
        """Counts ids that are missing, surplus, or shown without being followed."""
        for pipeline, expected in zip(self._pipelines, self._expected, strict=True):
            shown = set(np.unique(pipeline.latest.result.label).tolist()) - {0} if pipeline.latest else set()
            self.astray += len(expected ^ set(pipeline.objects.ids))
            self.astray += len(expected ^ set(pipeline.segmenter.ids)) + len(shown - expected)

    def _refine(self, pipeline: Pipeline, object_id: int) -> None:
        has_memory = object_id in pipeline.segmenter.ids  # or it gets one, which nothing undoes
        pipeline.refine_object(object_id, self._disk(pipeline))
        self.refined += 1
        if has_memory and self._rng.uniform() < 0.5:
            pipeline.undo(object_id)
            self.undone += 1

    def _detect(self, pipeline: Pipeline) -> list[int]:
        """Two detections of one frame; one of them may be what is followed already."""
        masks = [self._disk(pipeline) > 0 for _ in range(2)]
        boxes = [extents(mask.view(np.uint8)).box(1) for mask in masks]
        found = [
            Detection(Box(*box), mask=mask) for box, mask in zip(boxes, masks, strict=True) if box is not None
        ]
        followed = [i for i in pipeline.add_detections(found) or () if i is not None]
        self.detected += len(followed)
        return followed

    def _disk(self, pipeline: Pipeline) -> LabelMap:
        y, x = np.ogrid[: SIZE[0], : SIZE[1]]
        centre = self._rng.uniform((12, 12), (SIZE[0] - 12, SIZE[1] - 12))
        disk = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < self._rng.uniform(5, 12) ** 2
        label: LabelMap = (disk * np.uint8(pipeline.objects.next_id())).astype(np.uint8)
        return label


def soak(
    bundle: Path, *, frames: int, streams: int, seed: int, fps: float, save_every: int | None = None
) -> dict[str, object]:
    """Runs the streams until they have segmented `frames` frames together.

    Returns:
        Footprints after a third and at the end, and counts of everything that happened.
    """
    with SharedBackend(Bundle.load(bundle), streams, threads=1, long_edge=LONG_EDGE) as shared:
        return _soaked(shared.segmenters, frames, fps=fps, seed=seed, save_every=save_every)


class Saving:
    """Saves and restores one stream after another, every few frames of all.

    Args:
        pipelines: Of the streams.
        every: Frames; None, never.
    """

    def __init__(self, pipelines: list[Pipeline], every: int | None) -> None:
        self._pipelines, self._every, self.done = pipelines, every, 0

    def at(self, frames: int) -> None:
        """Called by the worker with the frames segmented so far."""
        if self._every is None or frames < (self.done + 1) * self._every:
            return
        pipeline = self._pipelines[self.done % len(self._pipelines)]
        with TemporaryDirectory() as folder:
            path = Path(folder, "s.ermu")
            pipeline.save(path)
            pipeline.restore(path)
        self.done += 1


def _soaked(
    segmenters: list[Segmenter], frames: int, *, fps: float, seed: int, save_every: int | None
) -> dict[str, Any]:
    pipelines = []
    for number, segmenter in enumerate(segmenters):
        sinks = [TraceSink(Path(os.devnull)), ObjectSink(Path(os.devnull))]
        camera, live = FlakyCamera(seed + number, fps), LiveOptions(lost_seconds=0.5)
        pipelines.append(Pipeline(segmenter, camera, sinks, name=str(number), live=live))
        pipelines[-1].begin()
    scheduler, steering = Scheduler(pipelines, endless=True), Steering(pipelines, seed)
    saving = Saving(pipelines, save_every)
    prints: list[Footprint] = []
    began, next_act = perf_counter(), STEER_EVERY

    def on_turn() -> None:
        nonlocal next_act
        done = sum(pipeline.frames for pipeline in pipelines)
        if done >= next_act:
            steering.act()
            next_act += STEER_EVERY
        saving.at(done)
        if not prints and done >= max(frames // 3, WARM_UP):
            prints.append(Footprint.now(done))
        if done >= frames and not scheduler.stopping:
            prints.append(Footprint.now(done))
            scheduler.stop()

    scheduler.run(on_turn=on_turn)
    readers = [pipeline.reader for pipeline in pipelines]
    return {
        "early": asdict(prints[0]),
        "late": asdict(prints[-1]),
        "growth": prints[-1].rss / prints[0].rss - 1,
        "growth_in_use": prints[-1].leaked_since(prints[0]),
        "seconds": round(perf_counter() - began, 1),
        "streams": len(segmenters),
        "added": steering.added,
        "removed": steering.removed,
        "detected": steering.detected,
        "refined": steering.refined,
        "undone": steering.undone,
        "restored": saving.done,
        "astray": steering.astray,
        "reconnects": sum(reader.reconnects for reader in readers),
        "dropped": sum(reader.dropped for reader in readers),
        "capture_to_result_ms": [p.timings.summary().get("capture_to_result", {}) for p in pipelines],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def failures(figures: dict[str, object]) -> list[str]:
    """What the figures say should not be."""
    early, late, found = figures["early"], figures["late"], []
    assert isinstance(early, dict) and isinstance(late, dict)
    for what, growth in (("rss", figures["growth"]), ("in_use", figures["growth_in_use"])):
        if abs(float(str(growth or 0))) > GROWTH:
            found.append(f"memory ({what}) went from {early[what]} to {late[what]} bytes")
    found += [f"{k} went from {early[k]} to {late[k]}" for k in ("threads", "handles") if early[k] != late[k]]
    if figures["astray"]:
        found.append(f"{figures['astray']} ids went astray")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fps", type=float, default=60.0, help="of each camera")
    parser.add_argument("--save-every", type=int, default=None, help="frames between saves and restores")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in ("frames", "streams", "seed", "fps", "save_every")}
    figures = soak(options.bundle, **given)
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    problems = failures(figures)
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
