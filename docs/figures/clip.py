"""A real clip followed by the demo network, with what its memory did on the way."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ermu import Segmenter, read_label_map
from ermu.plugins import FrameResult
from ermu.runtime.memory.propagation import ExternalAttentionPropagation
from ermu.types import LabelMap

HERE = Path(__file__).parent
CREDIT = "frames: DAVIS 2016, Perazzi et al., CC BY 4.0"
SEQUENCE = "dog"


@dataclass(frozen=True)
class Seen:
    """A frame, what came of it, and how it read the memory.

    Attributes:
        picture: BGR uint8 H x W x 3.
        result: Of the frame.
        held: Frames that it read, in the order of `masses`.
        masses: (T, h, w), what share of a place's attention went to each of them.
    """

    picture: np.ndarray
    result: FrameResult
    held: list[int]
    masses: np.ndarray


def arguments(doc: str | None) -> argparse.Namespace:
    """Where DAVIS 2016 lies."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--davis", type=Path, required=True, help="folder with JPEGImages and Annotations")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the figures")
    return parser.parse_args()


def read(davis: Path, sequence: str) -> tuple[list[np.ndarray], LabelMap]:
    """A sequence's frames, BGR, and its first annotation."""
    files = sorted((davis / "JPEGImages" / "480p" / sequence).glob("*.jpg"))
    label = read_label_map(davis / "Annotations" / "480p" / sequence / f"{files[0].stem}.png")
    return [cv2.imread(str(file)) for file in files], label


def follow(davis: Path, *, policy: str = "ermu", gap: int = 2, sequence: str = SEQUENCE) -> list[Seen]:
    """The object of a sequence, from its first annotation on; the bank is the demo network's, nine frames."""
    pictures, label = read(davis, sequence)
    seen = []
    with Segmenter("demo", policy=policy, gap=gap, plan="external_attention") as segmenter:
        seen.append(Seen(pictures[0], segmenter.start(pictures[0], label), [], np.zeros((0, 1, 1))))
        for picture in pictures[1:]:
            (cohort,) = segmenter._groups.cohorts
            (group,) = cohort.groups
            held, reading = list(group.bank.slot_frames), cohort._propagation
            assert isinstance(reading, ExternalAttentionPropagation)
            result = segmenter.step(picture)
            masses = np.array(reading._masses_of(len(held)), np.float32).T
            order = np.argsort(held)
            seen.append(Seen(picture, result, sorted(held), masses[order].reshape(len(held), *reading._hw)))
    return seen
