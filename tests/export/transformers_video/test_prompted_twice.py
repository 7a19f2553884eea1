"""An object that gets clicks again, on the latest frame or a recent one, within the window of six frames.

Transformers' session finds it on that frame as ours does; what it remembers of it is another thing
(docs/sam2.md), so before it goes on it is given ours: a frame with a prompt more, and no frame without one.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu.runtime.images.prompter import Point
from ermu.runtime.segmenter import Segmenter
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.network import small_model
from tests.support.sam2.session import Reference

pytest.importorskip("transformers")
BEGUN, AGAIN, LAST = [Point(100, 90)], [Point(100, 90), Point(30, 100, positive=False)], 12


def bgr(frame):
    return np.ascontiguousarray(np.uint8(frame.numpy())[..., ::-1])


def clicked(reference, frame, index, hint):
    """The session's logits of a frame, anew where it was followed already."""
    reference.frames = index
    points = [(p.x, p.y) for p in hint], [int(p.positive) for p in hint]
    return reference.step(frame, clicks=points).pred_masks[0, 0].numpy()


def forgets(reference, prompted):
    """Lets a session remember a frame as one with a prompt, and none without."""
    kept = reference.session.output_dict_per_obj[0]
    kept["cond_frame_outputs"][prompted] = kept["non_cond_frame_outputs"].pop(prompted)
    kept["non_cond_frame_outputs"].clear()


@torch.no_grad()
@pytest.mark.parametrize("first", ["click", "mask"])
@pytest.mark.parametrize("latest", [3, 5], ids=["latest", "recent"])
def test_clicks_on_the_third_frame(sam2_bundle, latest, first):
    frames, reference, results = frames_of(LAST), Reference(small_model()), {}
    with Segmenter(sam2_bundle, backend="onnxruntime", threads=1, precision="fp32") as segmenter:

        def differs(theirs):
            return np.abs(segmenter.logits()[0, 1] - theirs).max()

        mask = masks_of()[1]
        if first == "mask":
            segmenter.start(bgr(frames[0]), mask.numpy().astype(np.uint8))
            theirs = reference.step(frames[0], mask).pred_masks[0, 0].numpy()
        else:
            segmenter.start(bgr(frames[0]))
            segmenter.add_object_at(1, BEGUN)
            theirs = clicked(reference, frames[0], 0, BEGUN)
        assert differs(theirs) < 2e-3
        for index in range(1, latest + 1):
            results[index] = segmenter.step(bgr(frames[index]))
            assert differs(reference.step(frames[index]).pred_masks[0, 0].numpy()) < 2e-3
        recent = {} if latest == 3 else {"frame": bgr(frames[3]), "result": results[3]}
        shown = segmenter.refine_at(1, AGAIN, **recent).mask
        theirs = clicked(reference, frames[3], 3, AGAIN)
        large = torch.nn.functional.interpolate(
            torch.from_numpy(theirs)[None, None], size=shown.shape, mode="bilinear"
        )[0, 0].numpy()
        assert shown.any() and (shown == (large > 0)).mean() >= 0.998
        forgets(reference, 3)
        if latest == 3:
            assert differs(theirs) < 2e-3
        reference.frames = latest + (latest == 3)
        if latest != 3:
            assert differs(reference.step(frames[latest]).pred_masks[0, 0].numpy()) < 2e-3
        for frame in frames[latest + 1 :]:
            segmenter.step(bgr(frame))
            assert differs(reference.step(frame).pred_masks[0, 0].numpy()) < 2e-3
