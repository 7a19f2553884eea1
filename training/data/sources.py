"""Where training videos come from: procedural scenes, or folders in VOST's and DAVIS's published layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.errors import DatasetError
from ermu.training.config import DataConfig, PhaseConfig
from ermu.training.data.augment import augmented, frame_indices
from ermu.training.data.clip import Clip

Picture = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class ClipSource(Protocol):
    """Gives the clip of any index; the same index, the same clip."""

    def clip(self, index: int, phase: PhaseConfig) -> Clip:
        """The clip of an index, drawn as a phase wants it."""
        ...


class SceneSource:
    """Clips of procedural scenes (`ermu.scenes`, split 'train').

    Rendering a scene costs more than drawing a clip from it, so `spread` scenes are kept and visited in turn;
    each gives way to a new one after `clips_per_scene` visits, not all of them in the same round.

    Args:
        config: Size, length and kind of the scenes.
        seed: Part of every scene's and clip's seed.
        spread: Scenes kept; the distance in indices between two clips of one scene.
    """

    def __init__(self, config: DataConfig, seed: int, spread: int = 64) -> None:
        self._config, self._seed, self._spread = config, seed, spread
        self._kept: dict[int, tuple[tuple[int, int], list[Picture]]] = {}

    def clip(self, index: int, phase: PhaseConfig) -> Clip:
        """The clip of an index; see `ClipSource`."""
        rng = np.random.default_rng([self._seed, index])
        pictures = self._scene(index, phase.scene_frames)
        chosen = [pictures[i] for i in frame_indices(rng, len(pictures), phase.frames, phase.max_gap)]
        return augmented(rng, [frame for frame, _ in chosen], [label for _, label in chosen], phase.size)

    def _scene(self, index: int, frames: int) -> list[Picture]:
        visit, place = divmod(index, self._spread)
        age = self._config.clips_per_scene
        wanted = ((visit + place % age) // age * self._spread + place, frames)
        if place not in self._kept or self._kept[place][0] != wanted:
            self._kept[place] = (wanted, self._render(*wanted))
        return self._kept[place][1]

    def _render(self, number: int, frames: int) -> list[Picture]:
        from ermu.scenes.config import SceneConfig
        from ermu.scenes.scene import Scene

        rng = np.random.default_rng([self._seed, number, 1])
        low, high = self._config.objects
        scene = Scene(
            SceneConfig(
                seed=int(rng.integers(2**31)),
                size_hw=self._config.scene_hw,
                frames=self._config.scene_length,
                objects=int(rng.integers(low, high + 1)),
                textures=self._config.textures,
                motion=float(rng.uniform(0.5, 2.0)),
                leave_and_return=bool(rng.random() < 0.15),
                appearance_change=bool(rng.random() < 0.15),
            )
        )
        start = int(rng.integers(self._config.scene_length - frames + 1))
        pictures = (scene[start + i] for i in range(frames))
        return [(np.ascontiguousarray(frame[:, :, ::-1]), label) for frame, label in pictures]


class FolderSource:
    """Clips of annotated video folders.

    Args:
        images: Folder with one folder of frames a sequence.
        annotations: Folder with one folder of palette PNGs a sequence; only annotated frames are used.
        sequences: Names.
        seed: Part of every clip's seed.

    Raises:
        DatasetError: a sequence has fewer than two annotated frames, or a frame is missing.
    """

    def __init__(self, images: Path, annotations: Path, sequences: list[str], seed: int) -> None:
        self._seed = seed
        self._videos = [_annotated_frames(images / name, annotations / name) for name in sequences]

    def __len__(self) -> int:
        return len(self._videos)

    def clip(self, index: int, phase: PhaseConfig) -> Clip:
        """The clip of an index; see `ClipSource`."""
        rng = np.random.default_rng([self._seed, index])
        video = self._videos[int(rng.integers(len(self._videos)))]
        chosen = [video[i] for i in frame_indices(rng, len(video), phase.frames, phase.max_gap)]
        pictures = [(_read_frame(image), _read_label(label)) for image, label in chosen]
        return augmented(rng, [frame for frame, _ in pictures], [label for _, label in pictures], phase.size)


def open_source(config: DataConfig, seed: int) -> ClipSource:
    """The source that a config names.

    Raises:
        DatasetError: the folder does not have the layout that its kind promises.
    """
    if config.kind == "scenes":
        return SceneSource(config, seed)
    assert config.root is not None
    if config.kind == "vost":
        images, annotations = config.root / "JPEGImages_10fps", config.root / "Annotations"
        names = config.root / "ImageSets" / f"{config.split}.txt"
    else:
        images, annotations = config.root / "JPEGImages" / "480p", config.root / "Annotations" / "480p"
        names = config.root / "ImageSets" / "2017" / f"{config.split}.txt"
    if not names.is_file():
        raise DatasetError(
            f"{names} does not exist.", expected=f"the {config.kind.upper()} layout under {config.root}"
        )
    sequences = names.read_text(encoding="utf-8").split()
    if not sequences:
        raise DatasetError(f"{names} is empty.", expected="one sequence name a line")
    return FolderSource(images, annotations, sequences, seed)


def _annotated_frames(images: Path, annotations: Path) -> list[tuple[Path, Path]]:
    pairs = [(images / f"{label.stem}.jpg", label) for label in _label_files(annotations)]
    missing = [image for image, _ in pairs if not image.is_file()]
    if missing:
        raise DatasetError(
            f"{missing[0]} is missing.", expected=f"a frame for every annotation in {annotations}"
        )
    if len(pairs) < 2:
        raise DatasetError(f"{annotations} has {len(pairs)} annotations.", expected="at least 2 to train on")
    return pairs


def _label_files(annotations: Path) -> list[Path]:
    """Without what a system keeps beside them, such as ._00000.png."""
    return sorted(path for path in annotations.glob("*.png") if not path.name.startswith("."))


def _read_frame(path: Path) -> NDArray[np.uint8]:
    data = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DatasetError(f"{path} is not a picture that can be read.")
    return np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8, copy=False)


def _read_label(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        if image.mode not in ("P", "L"):
            raise DatasetError(f"{path} has mode {image.mode}.", expected="a palette PNG of ids")
        return np.array(image, dtype=np.uint8)
