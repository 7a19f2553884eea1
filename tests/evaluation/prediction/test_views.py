"""Views of a frame, averaged, against probabilities that torch computes from logits of runs of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ermu.errors import OptionError
from ermu.evaluation.layouts.scenes import SceneSequence
from ermu.evaluation.prediction.opening import open_predictor
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.prediction.views import ViewsPredictor
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.bundle.sizes import SizeLimits
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame
from ermu.scenes.config import SceneConfig
from ermu.types import LabelMap

HW = (64, 80)
DEMO = Path(__file__).parents[3] / "ermu" / "assets" / "demo"  # trained: its views do not agree
SCENE = SceneSequence("s", SceneConfig(seed=2, size_hw=HW, frames=7, objects=2))


class Clip(VideoSequence):
    """Six frames; the first annotation and that of frame 3 are prompts."""

    name, later = "clip", True

    def __init__(self, frames: list[np.ndarray], labels: dict[str, LabelMap]) -> None:
        self._frames, self._labels = frames, labels

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(str(i) for i in range(len(self._frames)))

    @property
    def annotated(self) -> tuple[str, ...]:
        return tuple(self._labels)

    def frames(self) -> Iterator[Frame]:
        for i, image in enumerate(self._frames):
            yield Frame(i, str(i), image)

    def annotation(self, name: str) -> LabelMap:
        return self._labels[name]


@pytest.fixture(scope="module")
def crowd() -> Clip:
    """Twelve objects, hence two groups, and a thirteenth from frame 3 on."""
    rng = np.random.default_rng(8)
    frames = [
        np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(6)
    ]
    first, later = np.zeros(HW, np.uint8), np.zeros(HW, np.uint8)
    first[:48] = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((16, 20)))
    later[50:60, 10:50] = 13
    return Clip(frames, {"0": first, "3": later})


def settings(bundle: Path, **changes: object) -> RunSettings:
    return RunSettings(bundle=str(bundle), threads=1, gap=2, **changes)  # type: ignore[arg-type]


def merged(logits: np.ndarray, active: list[list[bool]]) -> torch.Tensor:
    """Probabilities at source size as published: a softmax a group, merged, logit, softmax."""
    big = F.interpolate(torch.from_numpy(logits).double(), HW, mode="bilinear", align_corners=True)
    p = torch.where(torch.tensor(active)[..., None, None], big, torch.tensor(-1e10, dtype=big.dtype)).softmax(
        1
    )
    if len(p) == 1:
        return p[0]
    together = torch.cat((p[:, :1].prod(0), *(group[1:] for group in p)))
    return together.clamp(1e-5, 1 - 1e-5).logit().softmax(0)


def by_hand(bundle: Path, clip: Clip, views: list[tuple[SizeLimits, bool]]) -> list[LabelMap]:
    """The label maps of frames 1 on; every view has a Segmenter of its own, with a backend of its own."""
    runs = [(Segmenter(bundle, gap=2, threads=1), flip) for _, flip in views]
    for (run, _), (limits, _) in zip(runs, views, strict=True):
        run.limits = limits
    turned = lambda picture, flip: np.ascontiguousarray(picture[:, ::-1] if flip else picture)  # noqa: E731
    labels = []
    for frame in clip.frames():
        prompt, mean = clip.prompt(frame.name), torch.zeros(())
        for run, flip in runs:
            if frame.index == 0:
                assert prompt is not None
                run.start(turned(frame.image, flip), turned(prompt, flip))
                continue
            ids = run.ids
            run.step(turned(frame.image, flip))
            channels = [[True] + [10 * g + k < len(ids) for k in range(10)] for g in range(2)]
            if len(run.memory) == 3:  # ten, two, and the one that came later
                channels = [[True] * 11, [True] * 3 + [False] * 8, [True, True] + [False] * 9]
            p = merged(run.logits(), channels[: len(run.memory)])
            mean = mean + (p.flip(-1) if flip else p)
            if prompt is not None:
                run.add_objects(turned(prompt, flip))
        if frame.index:
            table = np.array([*range(11), 11, 12, *[0] * 8, 13, *[0] * 9], np.uint8)
            label = table[mean.argmax(0).numpy()]
            labels.append(label if prompt is None else np.where(prompt > 0, prompt, label))
    return labels


def test_one_view_is_the_plain_run(tiny_bundle: Path) -> None:
    plain = [p.label for p in open_predictor(settings(tiny_bundle)).predict(SCENE)]
    viewed = [p.label for p in ViewsPredictor(settings(tiny_bundle)).predict(SCENE)]
    assert np.mean(np.stack(plain) == np.stack(viewed)) > 0.9999


def test_views_are_averaged(crowd: Clip) -> None:
    """With more than ten objects, one of them late."""
    limits = [SizeLimits(1040, 624, scale) for scale in (1.0, 1.5)]
    expected = by_hand(DEMO, crowd, [(limit, flip) for limit in limits for flip in (False, True)])
    predictor = open_predictor(settings(DEMO, scales=(1.0, 1.5), flip=True))
    found = [prediction.label for prediction in predictor.predict(crowd)][1:]
    assert np.mean(np.stack(found) == np.stack(expected)) > 0.9999
    assert 13 in found[2] and {11, 13} <= set(np.unique(np.stack(found)))
    alone = by_hand(DEMO, crowd, [(limits[0], False)])
    assert np.mean(np.stack(alone) == np.stack(expected)) < 0.99, "one view would have done"


def test_a_symmetric_clip_has_symmetric_label_maps(tiny_bundle: Path, crowd: Clip) -> None:
    frames = [np.maximum(frame.image, frame.image[:, ::-1]) for frame in crowd.frames()]
    label = np.zeros(HW, np.uint8)
    label[20:50, 30:50] = 1
    clip = Clip(frames, {"0": label})
    found = [p.label for p in open_predictor(settings(tiny_bundle, flip=True)).predict(clip)]
    assert len(np.unique(np.stack(found[1:]))) > 1
    for each in found:
        np.testing.assert_array_equal(each, each[:, ::-1])


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, 9.0), (float("nan"),)])
def test_scales_that_make_no_sense(scales: tuple[float, ...], tiny_bundle: Path) -> None:
    with pytest.raises(OptionError, match="scales"):
        settings(tiny_bundle, scales=scales)
