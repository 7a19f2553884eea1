"""Opens the predictor that settings describe."""

from __future__ import annotations

from ermu.evaluation.prediction.base import Predictor
from ermu.evaluation.prediction.settings import RunSettings, View
from ermu.registries import BASELINES


def open_predictor(settings: RunSettings) -> Predictor:
    """Makes the predictor that the settings describe.

    Raises:
        ErmuError: The bundle cannot be loaded or serve the settings.
    """
    if settings.baseline is not None:
        return BASELINES.get(settings.baseline)()
    if settings.views == (View(1.0, flip=False),):
        from ermu.evaluation.prediction.bundle import SegmenterPredictor

        return SegmenterPredictor(settings)
    from ermu.evaluation.prediction.views import ViewsPredictor

    return ViewsPredictor(settings)
