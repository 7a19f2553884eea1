"""Runs a Segmenter over a golden clip and says how far it is from the published network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import GoldenAppend, GoldenClip
from tests.support.published_frames import published_frames


@dataclass(frozen=True)
class Comparison:
    """Largest differences over a clip, and the share of equal pixels."""

    logits: float
    scores: float
    relevance_mean: float
    equal_pixels: float
    same_memory: bool


@published_frames()
def compare(segmenter: Segmenter, clip: GoldenClip, *, golden_masks: bool) -> Comparison:
    """Segments the clip, remembering the golden masks (for tight tests) or its own predictions."""
    gaps: dict[str, list[float]] = {"logits": [], "scores": [0.0], "relevance_mean": [0.0]}
    equal, same_memory, appends = [], True, iter(clip.appends)
    segmenter.start(clip.frames[0], clip.label)
    _note_logits(segmenter, clip, 0, gaps)
    for t in range(1, len(clip.frames)):
        mask = clip.masks[t - 1]
        result = segmenter.step(clip.frames[t], remember=mask if golden_masks else None)
        _note_logits(segmenter, clip, t, gaps)
        equal.append(float(np.mean(result.label == mask)))
        if t % clip.gap == 0:
            update, golden = result.memory[0], next(appends)
            left = [] if update.evicted is None else [update.evicted]
            same_memory &= update.frames == golden.memory_frames and left == golden.dropped
            _note_scores(update.decision, golden, gaps)
    assert next(appends, None) is None, "the golden run appended more often"
    return Comparison(
        max(gaps["logits"]),
        max(gaps["scores"]),
        max(gaps["relevance_mean"]),
        float(np.mean(equal)),
        same_memory,
    )


def _note_logits(segmenter: Segmenter, clip: GoldenClip, t: int, gaps: dict[str, list[float]]) -> None:
    if t in clip.logits:
        gaps["logits"].append(float(np.abs(segmenter.logits()[0] - clip.logits[t]).max()))


def _note_scores(decision, golden: GoldenAppend, gaps: dict[str, list[float]]) -> None:  # type: ignore[no-untyped-def]
    if golden.scores is None:
        assert decision.scores is None, "scored where the published network did not"
    elif len(golden.scores) > 1:
        gaps["scores"].append(float(np.abs(decision.scores - golden.scores).max()))
        gaps["relevance_mean"].append(float(np.abs(decision.relevance_mean - golden.relevance_mean).max()))
