"""A quick look at accuracy during training: the fixed validation scenes through the frame loop, in torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ermu.export.network.network import Features, SegmentationNetwork
from ermu.training.data.clip import IDENTITIES, one_hot
from ermu.training.learning.losses import silence_unused
from ermu.training.learning.memory import FifoMemory

GAP = 5


@dataclass(frozen=True)
class Accuracy:
    """Mean J of all objects, over the scored frames and over the last quarter of them."""

    j: float
    j_last: float
    objects: int


@torch.inference_mode()
def segment(
    network: SegmentationNetwork, frames: list[NDArray[np.uint8]], label: NDArray[np.uint8], capacity: int = 9
) -> list[NDArray[np.uint8]]:
    """Carries a first label map through a video, FIFO memory (`docs/spec/network.md`, 'The frame loop').

    Args:
        network: In evaluation mode.
        frames: H x W x 3, RGB.
        label: H x W ids of frame 0.
        capacity: Frames in the memory.

    Returns:
        H x W label maps of all frames, the given one first.
    """
    height, width = label.shape
    rule = network.spec.grid
    size = rule.nearest((height, width))[::-1]
    alive = torch.zeros(1, IDENTITIES, dtype=torch.bool)
    alive[0, [0, *np.unique(label[label > 0]).tolist()]] = True
    first = _features(network, frames[0], size)
    _, entry = network.reference(first.p, _identity(network, label, size))
    memory, last_update, labels = FifoMemory(entry.long, capacity), 0, [label]
    for t, frame in enumerate(frames[1:], start=1):
        maps, rows = _features(network, frame, size), network.temporal_rows(len(memory))
        z, carry = network.propagate(maps.p, memory.stacked(), rows, entry.short)
        coarse = network.decode(z, maps)
        logits = F.interpolate(
            coarse, size=(height, width), mode="bilinear", align_corners=rule.align_corners
        )
        labels.append(silence_unused(logits, alive).argmax(1)[0].numpy().astype(np.uint8))
        entry = network.memorize(carry, _identity(network, labels[-1], size))
        if t - last_update >= GAP:
            memory.append(entry.long)
            last_update = t
    return labels


def _features(network: SegmentationNetwork, frame: NDArray[np.uint8], size: tuple[int, int]) -> Features:
    small = cv2.resize(frame.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    image = network.normalize(torch.from_numpy(small).permute(2, 0, 1)[None])
    return network.encode(image.contiguous(memory_format=torch.channels_last))


def _identity(network: SegmentationNetwork, label: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    small = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
    return network.embed_identity(one_hot(torch.from_numpy(small)[None]))


def jaccards(truth: list[NDArray[np.uint8]], found: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """J of every object and scored frame (the first and the last are not): objects x (frames - 2)."""
    objects = range(1, int(truth[0].max()) + 1)
    scores = np.ones((len(objects), len(truth) - 2))
    for column, (want, got) in enumerate(zip(truth[1:-1], found[1:-1], strict=True)):
        for row, number in enumerate(objects):
            a, b = want == number, got == number
            union = np.count_nonzero(a | b)
            if union:
                scores[row, column] = np.count_nonzero(a & b) / union
    return scores


def validate(network: SegmentationNetwork, clips: int) -> Accuracy:
    """Measures accuracy on evenly chosen clips of the fixed validation set.

    Args:
        network: Left in the mode it was in.
        clips: How many of the 40 clips.
    """
    from ermu.scenes.catalogue import validation_scenes
    from ermu.scenes.scene import Scene

    scenes = validation_scenes()
    chosen = [scenes[i * len(scenes) // clips] for i in range(clips)]
    was_training = network.training
    network.eval()
    all_scores, last_scores = [], []
    for config in chosen:
        pictures = list(Scene(config))
        frames, truth = [frame[:, :, ::-1] for frame, _ in pictures], [label for _, label in pictures]
        scores = jaccards(truth, segment(network, frames, truth[0]))
        all_scores.extend(scores.mean(1))
        last_scores.extend(scores[:, int(0.75 * scores.shape[1]) :].mean(1))
    network.train(was_training)
    return Accuracy(float(np.mean(all_scores)), float(np.mean(last_scores)), len(all_scores))
