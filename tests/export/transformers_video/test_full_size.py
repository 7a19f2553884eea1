"""Three objects by a mask, a box and a click against transformers' sessions, small and at the published size.

    pytest -m long tests/export/transformers_video/test_full_size.py --log-cli-level WARNING

takes a quarter of an hour for each of the two networks of published size on two cores. EdgeTAM's encoder
needs timm.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from ermu import Segmenter
from ermu.export.bundle_writer import write_bundle
from ermu.export.origins.origin import ExportOptions
from ermu.export.origins.transformers_folder import ExportableObjects, Published
from ermu.runtime.images.prompter import Box, Point
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.edgetam import published_edgetam
from tests.support.sam2.network import published_model, small_model
from tests.support.sam2.session import Reference

pytest.importorskip("transformers")
logger = logging.getLogger(__name__)
FRAMES, LATER, ABSENT = 20, 6, -1024
_LONG = [pytest.mark.long, pytest.mark.timeout(7200)]
_TIMM = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm")
NETWORKS = [
    pytest.param(small_model, 1, id="small"),
    pytest.param(published_model, 8, id="hiera-tiny", marks=_LONG),
    pytest.param(published_edgetam, 8, id="edgetam", marks=[*_LONG, _TIMM]),
]


class Compared(NamedTuple):
    """A frame: the largest difference of a logit, the share of equal pixels, who is there for each side."""

    logits: float
    pixels: float
    there: tuple[list[bool], list[bool]]


class Published3:
    """Transformers' sessions: a mask and a box on the first frame, a click on a later one."""

    def __init__(self, model: Any, scale: int) -> None:
        box = [(50.0 * scale, 20.0 * scale), (120.0 * scale, 70.0 * scale)]
        self._prompts: list[dict[str, Any]] = [
            {"mask": masks_of(scale)[0]},
            {"clicks": (box, [2, 3])},
            {"clicks": ([(100.0 * scale, 90.0 * scale)], [1])},
        ]
        self._sessions = [Reference(model) for _ in self._prompts]

    def step(self, frame: torch.Tensor, index: int) -> torch.Tensor:
        """Logits of those that have begun, K x h4 x w4."""
        found: list[torch.Tensor] = []
        for k, session in enumerate(self._sessions if index >= LATER else self._sessions[:2]):
            prompt = self._prompts[k] if index == (LATER if k == 2 else 0) else {}
            first = self._sessions[0] if k else None
            found.append(session.step(frame, seen_by=first, **prompt).pred_masks[0, 0])
        return torch.stack(found)


def stepped(segmenter: Segmenter, bgr: np.ndarray, index: int, scale: int) -> np.ndarray:
    """The same of ours: the label map, H x W."""
    if index == 0:
        segmenter.start(bgr, masks_of(scale)[0].numpy().astype(np.uint8))
        box = Box(50 * scale, 20 * scale, 120 * scale, 70 * scale)
        return segmenter.add_object_at(2, box).result.label
    result = segmenter.step(bgr)
    if index == LATER:
        result = segmenter.add_object_at(3, [Point(100 * scale, 90 * scale)]).result
    return result.label


def compared(theirs: torch.Tensor, segmenter: Segmenter, label: np.ndarray) -> Compared:
    ours = segmenter.logits()[0, 1 : 1 + len(theirs)]
    large = interpolate(theirs[None], size=label.shape, mode="bilinear")[0]
    wanted = torch.cat([torch.zeros(1, *label.shape), large]).argmax(0).numpy()
    there = [[bool(x.max() > ABSENT) for x in side] for side in (ours, theirs)]
    return Compared(
        float(np.abs(ours - theirs.numpy()).max()), float((label == wanted).mean()), (there[0], there[1])
    )


@torch.no_grad()
@pytest.mark.parametrize(("make", "scale"), NETWORKS)
def test_three_objects_are_followed_as_the_sessions_do(make, scale, tmp_path, request):
    model = make()
    if make is small_model:
        bundle = request.getfixturevalue("sam2_bundle")
    else:
        bundle = tmp_path / "bundle"
        source = ExportableObjects(model, Published("network", "0" * 64), ExportOptions())
        write_bundle(source, bundle, opset=20, tell=lambda *_: None)
    published, found = Published3(model, scale), []
    with Segmenter(bundle, backend="onnxruntime", precision="fp32", threads=2) as segmenter:
        for index, frame in enumerate(frames_of(FRAMES, scale)):
            bgr = np.ascontiguousarray(np.uint8(frame.numpy())[..., ::-1])
            label = stepped(segmenter, bgr, index, scale)
            found.append(compared(published.step(frame, index), segmenter, label))
            logger.warning("frame %d: %s", index, found[-1])
    assert all(each.there[0] == each.there[1] for each in found)
    assert max(each.logits for each in found) < 2e-3
    prompted = (0, LATER)  # where the label map keeps what was given
    assert min(each.pixels for i, each in enumerate(found) if i not in prompted) >= 0.998
