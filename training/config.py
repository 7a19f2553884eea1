"""The description of a training, read strictly from YAML: an unknown key is an error, not a default."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ermu.errors import ErmuError, OptionError
from ermu.export.network.spec import NetworkSpec, network_spec
from ermu.training.learning.schedule import Schedule


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkConfig(_Strict):
    """A named network and what is different about this one; None keeps the named network's value."""

    base: str = "aott"
    name: str | None = None
    encoder: str | None = None
    blocks: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=32)
    heads: int | None = Field(default=None, ge=1)
    key_width: int | None = Field(default=None, ge=16)
    feedforward: int | None = Field(default=None, ge=32)
    decoder_width: int | None = Field(default=None, ge=16)

    def spec(self) -> NetworkSpec:
        """The network's description.

        Raises:
            ErmuError: the base has an unknown name.
        """
        changes = self.model_dump(exclude={"base"}, exclude_none=True)
        name = changes.pop("name", self.base)
        return NetworkSpec(**{**network_spec(self.base).to_dict(), **changes, "name": name})


class StartConfig(_Strict):
    """Where weights come from: a checkpoint (aot-benchmark zoo or ours), ImageNet (encoder), or chance."""

    checkpoint: Path | None = None
    imagenet_encoder: bool = False


class DataConfig(_Strict):
    """Where the clips come from.

    Attributes:
        kind: Procedural scenes, or a folder in a published layout.
        root: The folder (VOST, DAVIS).
        split: The list of sequences in it.
        scene_hw: Height and width at which scenes are rendered.
        scene_length: Frames of a scene.
        objects: Least and most objects of a scene.
        textures: Where scenes take their surfaces from.
        clips_per_scene: Clips drawn from a scene, in different steps, before it gives way to a new one.
        workers: Processes that prepare batches.
    """

    kind: Literal["scenes", "vost", "davis"] = "scenes"
    root: Path | None = None
    split: str = "train"
    scene_hw: tuple[int, int] = (240, 416)
    scene_length: int = Field(default=60, ge=2)
    objects: tuple[int, int] = (1, 6)
    textures: Literal["generated", "photographs", "mixed"] = "mixed"
    clips_per_scene: int = Field(default=1, ge=1)
    workers: int = Field(default=1, ge=0)


class PhaseConfig(_Strict):
    """What a stretch of the training looks at.

    Attributes:
        start: Share of the steps after which the phase begins.
        batch: Clips a step and process.
        frames: Frames a clip.
        size: Side of a clip in pixels, on the network's grid.
        max_gap: Most frames of the video between two of the clip.
        scene_frames: Of procedural scenes: frames rendered, in one piece that begins anywhere in the scene.
        memory_gap: Frames of the clip between two that enter the long memory.
        encoder_learns: Whether the encoder beyond its first stage learns.
        loss_stride: Pixels between two that the loss looks at.
    """

    start: float = Field(default=0.0, ge=0, lt=1)
    batch: int = Field(default=8, ge=1)
    frames: int = Field(default=15, ge=2)
    size: int = 465
    max_gap: int = Field(default=3, ge=1)
    scene_frames: int = Field(default=20, ge=2)
    memory_gap: int = Field(default=4, ge=1)
    encoder_learns: bool = True
    loss_stride: Literal[1, 2, 4] = 1


class ValidationConfig(_Strict):
    """How often (0: never) the averaged network's J is measured, and on how many of the validation clips."""

    every_steps: int = Field(default=0, ge=0)
    clips: int = Field(default=8, ge=1)


class TrainingConfig(_Strict):
    """A whole training; the defaults are the published fine-tuning recipe (`docs/spec/evaluation.md`)."""

    name: str
    seed: int = 0
    steps: int = Field(default=20_000, ge=1)
    network: NetworkConfig = NetworkConfig()
    start: StartConfig = StartConfig()
    data: DataConfig = DataConfig()
    phases: tuple[PhaseConfig, ...] = (PhaseConfig(),)
    rate: float = Field(default=2e-4, gt=0)
    final_rate: float = Field(default=1e-5, ge=0)
    warm_up: float = Field(default=0.05, ge=0, lt=1)
    encoder_rate: float = Field(default=0.1, ge=0)
    weight_decay: float = Field(default=0.07, ge=0)
    clip_gradient: float = Field(default=5.0, gt=0)
    average_ratio: float = Field(default=0.1, gt=0, le=1)
    capacity: int = Field(default=9, ge=2)
    own_predictions_from: float = Field(default=0.5, ge=0, le=1)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    threads: int = Field(default=0, ge=0)
    log_every: int = Field(default=10, ge=1)
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    validation: ValidationConfig = ValidationConfig()

    @model_validator(mode="after")
    def _consistent(self) -> TrainingConfig:
        starts = [phase.start for phase in self.phases]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"phases must start at 0 and follow each other, not at {starts}")
        if self.data.kind == "scenes" and max(p.scene_frames for p in self.phases) > self.data.scene_length:
            raise ValueError("a phase's scene_frames is more than data.scene_length")
        if self.data.kind != "scenes" and self.data.root is None:
            raise ValueError(f"data.kind '{self.data.kind}' needs data.root")
        return self

    @model_validator(mode="after")
    def _on_grid(self) -> TrainingConfig:
        try:
            rule = self.network.spec().grid
        except OptionError:
            return self  # an unknown base is told where the network is built
        for phase in self.phases:
            if not rule.fits((phase.size, phase.size)):
                nearest = rule.network_size((phase.size, phase.size))[0]
                raise ValueError(f"a phase's size {phase.size} is not {rule.form}; {nearest} is")
        return self

    def schedule(self) -> Schedule:
        """What changes with the step."""
        return Schedule(
            self.steps,
            self.rate,
            self.final_rate,
            self.warm_up,
            own_predictions_from=self.own_predictions_from,
        )

    def phase(self, step: int) -> PhaseConfig:
        """The phase that a step belongs to."""
        return [
            phase for phase, first in zip(self.phases, self.phase_starts(), strict=True) if first <= step
        ][-1]

    def phase_starts(self) -> list[int]:
        """The first step of every phase."""
        return [math.ceil(phase.start * self.steps) for phase in self.phases]


def load_config(path: Path) -> TrainingConfig:
    """Reads a training's description.

    Raises:
        ErmuError: the file is missing, is not YAML, or has a key or value that makes no sense; all are named.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ErmuError(f"The training config {path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ErmuError(f"The training config {path} is not YAML: {error}") from error
    try:
        return TrainingConfig.model_validate(content)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'config'}: {fault['msg']}" for fault in error.errors()
        ]
        raise ErmuError(
            f"The training config {path} is not valid:\n  " + "\n  ".join(faults),
            fix="see docs/training.md for the keys, training/configs/ for examples",
        ) from error
