"""An object that is labelled again later, as transformers' own session follows it."""

from __future__ import annotations

import numpy as np
import torch

from ermu.runtime.segmenter import Segmenter
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.network import small_model
from tests.support.sam2.session import Reference


def _bgr(frame):
    return frame.numpy()[:, :, ::-1].astype(np.uint8).copy()


def test_labelled_again(sam2_bundle):
    """A mask on a frame in the middle: the window of those without a prompt is by distance."""
    frames, masks, reference = frames_of(14), masks_of(), Reference(small_model())
    with Segmenter(sam2_bundle, backend="onnxruntime", threads=1) as segmenter, torch.no_grad():
        expected = reference.step(frames[0], mask=masks[1])
        segmenter.start(_bgr(frames[0]), masks[1].numpy().astype(np.uint8))
        differences = []
        for number, frame in enumerate(frames[1:], start=1):
            again = masks[2] if number in (4, 5, 9) else None
            label = None if again is None else again.numpy().astype(np.uint8)
            segmenter.step(_bgr(frame), remember=label)
            expected = reference.step(frame, mask=again)
            if again is None:
                found = segmenter.logits()[0, 1]
                differences.append(np.abs(found - expected.pred_masks[0, 0].numpy()).max())
    assert max(differences) < 2e-3
