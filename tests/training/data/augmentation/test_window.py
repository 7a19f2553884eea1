"""The plain augmentation: picture and label stay together."""

from __future__ import annotations

import numpy as np

from ermu.training.data.augmentation.window import augmented


def test_windows_frame_and_label_alike() -> None:
    """Pixels hold their object's id as colour: picture and label must agree after cutting and flipping."""
    label = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) % 3, np.ones((40, 40), np.uint8))
    frame = np.repeat((label * 100)[:, :, None], 3, axis=2)
    for seed in range(20):
        sample = augmented(np.random.default_rng(seed), [frame, frame], [label, label], 65)
        assert sample.frames.shape == (2, 65, 65, 3) and sample.labels.shape == (2, 65, 65)
        assert (sample.labels[0] == sample.labels[1]).all()
        for number in np.unique(sample.labels):
            colours = sample.frames[0, :, :, 0][sample.labels[0] == number]
            assert (colours == 100 * number).mean() > 0.8
