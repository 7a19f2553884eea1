"""Frames enter the network as the bundle says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.encoder import FrameEncoder
from tests.kernels.frame_cases import antialiased_frame, cubic_frame


def test_frames_are_resampled_as_the_bundle_says(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    frame = np.random.default_rng(0).integers(0, 256, (90, 161, 3), dtype=np.uint8)
    for resampling, expected in (("bicubic", cubic_frame), ("antialiased", antialiased_frame)):
        said = bundle.manifest.input.model_copy(update={"resampling": resampling})
        manifest = bundle.manifest.model_copy(update={"input": said})
        with open_backend(Bundle(bundle.path, manifest)) as backend:
            encoder = FrameEncoder(backend, Grids(33, 49, manifest.network.grid))
            encoder.take(frame)
            found = backend.device.download(encoder.image)[0]
        np.testing.assert_allclose(found, expected(frame, (33, 49)), atol=0.05)
