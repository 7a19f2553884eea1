"""All sources of a training as one: which clip comes from where, and which are merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ermu.training.config import PhaseConfig
from ermu.training.data.augmentation.merging import merged
from ermu.training.data.clip import Clip
from ermu.training.data.config import DataConfig, PictureSourceConfig, SceneSourceConfig, SourceConfig
from ermu.training.data.sources.pictures import open_pictures
from ermu.training.data.sources.scenes import SceneSource
from ermu.training.data.sources.source import ClipSource
from ermu.training.data.sources.videos import open_videos

_ROUND = 2  # keeps the seeds of rounds apart from those of clips


class Mixture:
    """Gives the clip of any index; the same index, the same clip.

    Without weights the sources are laid end to end, each as often as it is repeated, and every item is seen
    once a round, in an order of that round's own. With weights each clip's source is drawn anew.

    Args:
        sources: With their number of repetitions and weight.
        seed: Part of every round's and clip's seed.
    """

    def __init__(self, sources: list[tuple[ClipSource, int, float | None]], seed: int) -> None:
        self._sources, self._seed = [source for source, _, _ in sources], seed
        weights = [weight for _, _, weight in sources if weight is not None]
        self._shares = np.array(weights) / sum(weights) if weights else None
        # An item of a source that has no end is a clip's index: such a source is alone, or has a weight.
        self._starts = np.cumsum([0, *((source.size or 0) * repeat for source, repeat, _ in sources)])
        self._round: tuple[int, NDArray[np.intp]] = (-1, np.zeros(0, np.intp))

    def clip(self, index: int, phase: PhaseConfig) -> Clip:
        """The clip of an index, drawn as a phase wants it."""
        rng = np.random.default_rng([self._seed, index])
        source, item = self._entry(rng, index)
        sample = source.sample(rng, item, phase)
        if phase.merge and (sample.empty or rng.random() < phase.merge):
            sample = merged(rng, sample, source.sample(rng, source.another(rng, item), phase))
        return sample.clip(rng)

    def _entry(self, rng: np.random.Generator, index: int) -> tuple[ClipSource, int]:
        if self._shares is not None:
            source = self._sources[int(rng.choice(len(self._sources), p=self._shares))]
            return source, index if source.size is None else int(rng.integers(source.size))
        if self._sources[0].size is None:
            return self._sources[0], index
        number, place = divmod(index, int(self._starts[-1]))
        if self._round[0] != number:
            order = np.random.default_rng([self._seed, number, _ROUND]).permutation(self._starts[-1])
            self._round = (number, order)
        entry = int(self._round[1][place])
        which = int(np.searchsorted(self._starts, entry, side="right")) - 1
        source = self._sources[which]
        assert source.size is not None
        return source, (entry - int(self._starts[which])) % source.size


def open_sources(config: DataConfig, seed: int) -> Mixture:
    """The sources that a config names.

    Raises:
        DatasetError: a folder does not have the layout that its kind promises.
    """
    return Mixture([(_open(source, seed), source.repeat, source.weight) for source in config.sources], seed)


def _open(config: SourceConfig, seed: int) -> ClipSource:
    if isinstance(config, SceneSourceConfig):
        return SceneSource(config, seed)
    return open_pictures(config) if isinstance(config, PictureSourceConfig) else open_videos(config)
