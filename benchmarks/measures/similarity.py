"""Region similarity J of label maps, for what may not need the evaluation's packages."""

from __future__ import annotations

import numpy as np

from ermu.types import LabelMap


def jaccard(found: LabelMap, truth: LabelMap) -> list[float]:
    """Pixels in both over pixels in either, of each object on the frame (`docs/spec/evaluation.md`)."""
    ids = [i for i in np.unique(truth).tolist() if i]
    pairs = [(found == i, truth == i) for i in ids]
    return [float((a & b).sum() / (a | b).sum()) for a, b in pairs]
