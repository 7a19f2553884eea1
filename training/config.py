"""The description of a training, read strictly from YAML: an unknown key is an error, not a default."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ermu.errors import ErmuError, OptionError
from ermu.export.network.spec import NetworkSpec, network_spec
from ermu.training.data.config import DataConfig, Strict
from ermu.training.learning.parameters import PUBLISHED_UNDECAYED
from ermu.training.learning.regularization import Dropped
from ermu.training.learning.schedule import Schedule


class NetworkConfig(Strict):
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


class StartConfig(Strict):
    """Where weights come from.

    Attributes:
        checkpoint: Of the aot-benchmark zoo, of the published system or of ours.
        encoder: ImageNet weights of the encoder alone, in torchvision's or Swin's own layout.
        imagenet_encoder: Whether EfficientNet-Lite0 gets its ImageNet weights from the package that has them.
        draw: How the rest is drawn: `identities`, such that they survive to the decoder's end, or as
            `published`. None: published where there is a checkpoint.
        share: Of the checkpoint's weights in those that are published, 0 to 1: the rest are the trained ones.
            A network that goes on with other data keeps so what it knew (M. Wortsman et al., Robust
            fine-tuning of zero-shot models, CVPR 2022).
    """

    checkpoint: Path | None = None
    share: float = Field(default=0.0, ge=0, lt=1)
    encoder: Path | None = None
    imagenet_encoder: bool = False
    draw: Literal["identities", "published"] | None = None

    @model_validator(mode="after")
    def _shared(self) -> StartConfig:
        if self.share and self.checkpoint is None:
            raise ValueError("share is a checkpoint's, and there is no start.checkpoint")
        return self

    @property
    def drawn_as_published(self) -> bool:
        """Whether weights that nobody trained are drawn as the published code draws them."""
        return (self.draw or ("published" if self.checkpoint else "identities")) == "published"


class PhaseConfig(Strict):
    """What a stretch of the training looks at.

    Attributes:
        start: Share of the steps after which the phase begins.
        batch: Clips a step and process.
        frames: Frames a clip.
        size: Side of a clip in pixels, on the network's grid.
        max_gap: Most frames of the video between two of the clip, where the source has no say in it.
        augmentation: `window` cuts one from every frame and resizes it; `v1` and `v2` are the published ones.
        merge: Probability that a second clip of the same source is laid over the first.
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
    augmentation: Literal["window", "v1", "v2"] = "window"
    merge: float = Field(default=0.0, ge=0, le=1)
    scene_frames: int = Field(default=20, ge=2)
    memory_gap: int = Field(default=4, ge=1)
    encoder_learns: bool = True
    loss_stride: Literal[1, 2, 4] = 1


class ValidationConfig(Strict):
    """How often (0: never) the averaged network's J is measured, and on how many of the validation clips."""

    every_steps: int = Field(default=0, ge=0)
    clips: int = Field(default=8, ge=1)


class TrainingConfig(Strict):
    """A whole training; the defaults are those figures that the published fine-tuning on VOST has.

    What only some published stages have is off by default: merged clips, drop path, the published
    augmentation (`docs/spec/training.md`).

    Attributes:
        rate: Learning rate after the warm-up.
        final_rate: Learning rate at the last step.
        rates_above_final: Whether the warm-up begins at `final_rate` and the encoder's rate is a share of
            what lies above it, as published; otherwise both are shares of the rate itself.
        warm_up: Share of the steps.
        encoder_rate: Factor on the encoder's rate.
        undecayed: Parts of names of weights that do not decay, beside biases and norms.
        average_ratio: Share of the steps that the averaged weights look back on.
        capacity: Frames in the memory.
        own_predictions_from: Share of the steps after which the memory is written from predictions.
        reference_until: Share of the steps in which the weight of the reference frame's loss falls to 0.
        drop_path: Probability, for each sample of a batch, that a block's self-attention (AOT: or its
            feed-forward) is skipped.
        drop_channels: Probability, in DeAOT, that a channel behind a depthwise convolution is dropped.
        drop_encoder_path: Probability, in a Swin encoder, that a branch of the last of its 24 blocks is
            skipped; it grows from 0 with the block's number.
    """

    name: str
    seed: int = 0
    steps: int = Field(default=20_000, ge=1)
    network: NetworkConfig = NetworkConfig()
    start: StartConfig = StartConfig()
    data: DataConfig = DataConfig()
    phases: tuple[PhaseConfig, ...] = (PhaseConfig(),)
    rate: float = Field(default=2e-4, gt=0)
    final_rate: float = Field(default=1e-5, ge=0)
    rates_above_final: bool = True
    warm_up: float = Field(default=0.05, ge=0, lt=1)
    encoder_rate: float = Field(default=0.1, ge=0)
    weight_decay: float = Field(default=0.07, ge=0)
    undecayed: tuple[str, ...] = PUBLISHED_UNDECAYED
    clip_gradient: float = Field(default=5.0, gt=0)
    average_ratio: float = Field(default=0.1, gt=0, le=1)
    capacity: int = Field(default=9, ge=2)
    own_predictions_from: float = Field(default=0.5, ge=0, le=1)
    reference_until: float = Field(default=1.0, gt=0, le=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    drop_channels: float = Field(default=0.0, ge=0, lt=1)
    drop_encoder_path: float = Field(default=0.0, ge=0, lt=1)
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
        shortest = self.data.shortest_scene
        if shortest is not None and max(phase.scene_frames for phase in self.phases) > shortest:
            raise ValueError("a phase's scene_frames is more than the length of a source's scenes")
        return self

    @model_validator(mode="after")
    def _on_grid(self) -> TrainingConfig:
        try:
            rule = self.network.spec().grid
        except OptionError:
            return self  # an unknown base is told where the network is built
        for phase in self.phases:
            if not rule.fits((phase.size, phase.size)):
                nearest = rule.nearest((phase.size, phase.size))[0]
                raise ValueError(f"a phase's size {phase.size} is not {rule.form}; {nearest} is")
        return self

    def schedule(self) -> Schedule:
        """What changes with the step."""
        return Schedule(
            self.steps,
            self.rate,
            self.final_rate,
            self.warm_up,
            above_final=self.rates_above_final,
            own_predictions_from=self.own_predictions_from,
            reference_until=self.reference_until,
        )

    def dropped(self) -> Dropped:
        """What is dropped while training."""
        return Dropped(self.drop_path, self.drop_channels, self.drop_encoder_path)

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
