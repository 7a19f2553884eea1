"""Stand-in for portable sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ermu.runtime.files import replace_atomically
from ermu.runtime.streams.pipeline import Pipeline
from ermu.types import LabelMap


def save(pipeline: Pipeline, path: Path) -> None:
    """Label map, ids and names."""
    latest = pipeline.latest
    if latest is None:
        return
    names = {str(s.id): s.name for s in pipeline.objects.sightings}
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, label=latest.result.label, names=np.array([*names.items()]))


def restore(pipeline: Pipeline, path: Path) -> LabelMap | None:
    """The label map to begin with."""
    with np.load(path) as held:
        label: LabelMap = held["label"]
    return label if label.any() else None
