"""A bundle that sees every frame at several sizes and mirrored: test-time augmentation as published."""

from __future__ import annotations

from functools import reduce

import numpy as np

from ermu.errors import OptionError
from ermu.evaluation.prediction.base import Predictor
from ermu.evaluation.prediction.bundle import gap_of
from ermu.evaluation.prediction.settings import RunSettings, View
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.bundle.sizes import SizeLimits
from ermu.runtime.sources.base import Frame
from ermu.runtime.streams.work.shared_backend import SharedBackend
from ermu.types import Array, LabelMap

SHORT_TO_LONG = 480 / 800  # the published limits: 624 and 1040


class ViewsPredictor(Predictor):
    """Every view has a memory of its own and remembers its own label map; label maps come of all of them.

    A frame's label is the arg-max of the mean over the views of the probabilities at source size. Graphs and
    weights exist once.

    Args:
        settings: Of a run with a bundle.

    Raises:
        OptionError: Several scales of a bundle of fixed size.
        BundleError: The bundle cannot be loaded or serve the settings.
    """

    def __init__(self, settings: RunSettings) -> None:
        bundle = Bundle.load(str(settings.bundle))
        if bundle.manifest.input.size is not None and settings.scales != (1.0,):
            instead = "" if isinstance(bundle.manifest, ObjectManifest) else ", or export without --size"
            raise OptionError(f"{bundle.path} is fixed to one size.", fix=f"leave --scales out{instead}")
        self._settings, self._bundle = settings, bundle
        shared = SharedBackend(bundle, len(settings.views), **settings.keywords())
        self._views = list(zip(settings.views, shared.segmenters, strict=True))
        for view, segmenter in self._views:
            segmenter.limits = size_limits(settings, view, bundle.manifest.input.long_edge)

    def start(self, frame: Frame, prompt: LabelMap, sequence: VideoSequence) -> int:
        for view, segmenter in self._views:
            segmenter.gap = gap_of(self._settings, self._bundle, sequence)
            segmenter.start(_turned(frame.image, view), _turned(prompt, view))
        return self._held()

    def step(self, frame: Frame) -> tuple[LabelMap, int]:
        for view, segmenter in self._views:
            segmenter.step(_turned(frame.image, view))
        found = [(view, segmenter.probabilities()) for view, segmenter in self._views]
        likeliest = reduce(np.add, (_turned(each.values, view, -1) for view, each in found)).argmax(axis=0)
        label: LabelMap = found[0][1].ids[likeliest]
        return label, self._held()

    def add(
        self, frame: Frame, prompt: LabelMap, label: LabelMap, sequence: VideoSequence
    ) -> tuple[LabelMap, int]:
        for view, segmenter in self._views:
            segmenter.add_objects(_turned(prompt, view))
        return np.where(prompt > 0, prompt, label).astype(np.uint8), self._held()

    def _held(self) -> int:
        return max(len(update.frames) for _, segmenter in self._views for update in segmenter.memory)


def size_limits(settings: RunSettings, view: View, usual: int) -> SizeLimits:
    """How large a view of a frame is; only several sizes, or another than the usual, limit the short edge.

    Args:
        settings: Of the run.
        view: One of its views.
        usual: Long edge where the settings have none.
    """
    long_edge = settings.long_edge or usual
    short_edge = None if settings.scales == (1.0,) else round(long_edge * SHORT_TO_LONG)
    return SizeLimits(long_edge, short_edge, view.scale)


def _turned(picture: Array, view: View, columns: int = 1) -> Array:
    """A frame or label map as a view sees it, or back; `columns` is the axis that mirroring turns round."""
    return np.ascontiguousarray(np.flip(picture, columns)) if view.flip else picture
