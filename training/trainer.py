"""The training loop: batches in; weights, checkpoints and a log out, whether interrupted or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ermu.export.network.network import SegmentationNetwork
from ermu.training.checkpoint import Progress, load_checkpoint, publish_weights, save_checkpoint
from ermu.training.config import TrainingConfig
from ermu.training.data.stream import batches
from ermu.training.distributed import Processes
from ermu.training.learning.averaging import WeightAverage
from ermu.training.learning.drawing import draw_published_weights, draw_weights
from ermu.training.learning.parameters import choose_learning, parameter_groups
from ermu.training.learning.regularization import Regularization
from ermu.training.learning.starting_weights import (
    start_encoder_from_file,
    start_encoder_from_imagenet,
    start_from_checkpoint,
)
from ermu.training.learning.unroll import ClipLoss, UnrollSettings
from ermu.training.log import TrainingLog
from ermu.training.provenance import provenance
from ermu.training.validation import validate

Report = Callable[[str], None]
# What may change between two stretches of one training: nothing that a step's result depends on.
_INCIDENTAL = {"threads", "log_every", "checkpoint_minutes", "validation"}


@dataclass(frozen=True)
class TrainingResult:
    """What a stretch of training left behind.

    Attributes:
        steps: Steps done in total.
        weights: The averaged weights in half precision.
        log: The CSV log.
    """

    steps: int
    weights: Path
    log: Path


class Trainer:
    """One process of a training.

    Args:
        config: What to train.
        out: Folder for `checkpoint.pth`, `weights.pth` and `log.csv`; a checkpoint in it is resumed.
        report: Called with lines for the user.
    """

    def __init__(self, config: TrainingConfig, out: Path, report: Report = print) -> None:
        self.config, self._out, self._report = config, out, report
        self._processes = Processes.join()
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.network: SegmentationNetwork = self._start().to(  # type: ignore[call-overload]
            self._processes.device, memory_format=torch.channels_last
        )
        began = self.network.state_dict() if config.start.share else {}
        self._began = {key: value.cpu().clone() for key, value in began.items()}
        self._schedule = config.schedule()
        self._regularization = Regularization(
            self.network, config.dropped(), config.seed, self._processes.rank
        )
        groups = parameter_groups(self.network, config.weight_decay, config.encoder_rate, config.undecayed)
        scaler = torch.amp.GradScaler(self._processes.device.type, enabled=config.precision == "float16")
        self._progress = Progress(
            self.network,
            torch.optim.AdamW(groups, lr=config.rate),
            WeightAverage(self.network, config.steps, config.average_ratio),
            scaler,
        )
        self._identity = config.model_dump(mode="json", exclude=_INCIDENTAL)
        self._warn_of_emulation()
        self.step = 0
        if self._checkpoint.is_file():
            self.step = load_checkpoint(self._checkpoint, self._progress, self._identity)
            report(f"Resuming after step {self.step} of {config.steps}.")

    @property
    def _checkpoint(self) -> Path:
        return self._out / "checkpoint.pth"

    def run(self, stop_after: int | None = None) -> TrainingResult:
        """Trains to the end, or until `stop_after` steps are done in total, and saves."""
        config, last = self.config, min(self.config.steps, stop_after or self.config.steps)
        log = TrainingLog(self._out / "log.csv", self.step) if self._processes.leads else None
        stream = batches(config, self.step, self._processes.rank, self._processes.count)
        saved_at = began = time.monotonic()
        model, learning = self._wrapped(), None
        while self.step < last:
            wanted = self._learning(self.step)
            if wanted != learning:
                learning = wanted
                choose_learning(self.network, encoder_learns=wanted[0], identities_learn=wanted[1])
                model = self._wrapped()
            row = self._train_step(model, next(stream))
            self.step += 1
            if log is None:
                continue
            row["seconds"] = time.monotonic() - began
            validated = self._validated()
            if self.step % config.log_every == 0 or self.step == last or validated:
                log.write({"step": self.step, **{k: float(v) for k, v in row.items()}, **validated})
                self._report(self._line(row, validated))
            if time.monotonic() - saved_at > 60 * config.checkpoint_minutes or validated:
                self._save()
                saved_at = time.monotonic()
        if self._processes.leads:
            self._save()
        return TrainingResult(self.step, self._out / "weights.pth", self._out / "log.csv")

    def _train_step(self, model: nn.Module, batch: Any) -> dict[str, Any]:
        """One update; returns what the log shows of it, still as tensors."""
        config, schedule, progress = self.config, self._schedule, self._progress
        rate, phase = schedule.learning_rate(self.step), config.phase(self.step)
        settings = UnrollSettings(
            capacity=config.capacity,
            memory_gap=phase.memory_gap,
            own_predictions=schedule.own_predictions(self.step),
            hardest=schedule.hardest_pixels(self.step),
            reference_weight=schedule.reference_weight(self.step),
            loss_stride=phase.loss_stride,
        )
        for group in progress.optimizer.param_groups:
            group["lr"] = schedule.learning_rate(self.step, group["rate"])
        self._regularization.begin_step(self.step)
        with self._precision():
            losses = model(batch.to(self._processes.device), settings)
        progress.optimizer.zero_grad(set_to_none=True)
        progress.scaler.scale(losses["loss"]).backward()
        progress.scaler.unscale_(progress.optimizer)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_gradient)
        if torch.isfinite(norm) or progress.scaler.is_enabled():
            progress.scaler.step(progress.optimizer)
            progress.scaler.update()
            progress.average.update(self.network)
        else:
            self._report(f"step {self.step}: the gradient is not finite; skipped")
        return {**{k: v.detach() for k, v in losses.items()}, "rate": rate}

    def _start(self) -> SegmentationNetwork:
        """The network before its first step."""
        network, start = SegmentationNetwork(self.config.network.spec()), self.config.start
        draw = draw_published_weights if start.drawn_as_published else draw_weights
        draw(network, self.config.seed)
        if start.imagenet_encoder:
            start_encoder_from_imagenet(network)
        if start.encoder is not None:
            self._report(f"{start.encoder}: {start_encoder_from_file(network, start.encoder).summary()}")
        if start.checkpoint is not None:
            self._report(f"{start.checkpoint}: {start_from_checkpoint(network, start.checkpoint).summary()}")
        return network

    def _learning(self, step: int) -> tuple[bool, bool]:
        """Whether encoder and identity bank learn in a step."""
        return self.config.phase(step).encoder_learns, not self._schedule.own_predictions(step)

    def _wrapped(self) -> nn.Module:
        return self._processes.wrap(ClipLoss(self.network))

    def _warn_of_emulation(self) -> None:
        """Says where bfloat16 costs time instead of saving it: on x86 CPUs without AVX-512."""
        on_cpu = self._processes.device.type == "cpu"
        if self.config.precision == "bfloat16" and on_cpu and _lacks_bfloat16():
            self._report("bfloat16 is emulated on this CPU: a step took 14 times as long as in float32.")

    def _precision(self) -> Any:
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self._processes.device.type, getattr(torch, self.config.precision))

    def _validated(self) -> dict[str, float]:
        every = self.config.validation.every_steps
        if not every or self.step % every:
            return {}
        with self._progress.average.applied_to(self.network):
            accuracy = validate(self.network, self.config.validation.clips)
        return {"validation_j": accuracy.j, "validation_j_last": accuracy.j_last}

    def _line(self, row: dict[str, Any], validated: dict[str, float]) -> str:
        shown = " ".join(f"{k} {float(row[k]):.3f}" for k in ("loss", "frames", "reference", "jaccard"))
        tail = "".join(f" {key} {value:.3f}" for key, value in validated.items())
        time_and_rate = f"rate {row['rate']:.2e} {row['seconds']:.0f} s"
        return f"step {self.step}/{self.config.steps} {shown} {time_and_rate}{tail}"

    def _save(self) -> None:
        save_checkpoint(self._checkpoint, self._progress, self.step, self._identity)
        account = provenance(self.config, self.step, self._processes.count)
        spec = self.network.spec.to_dict()
        publish_weights(self._out / "weights.pth", self._published(), spec, account)

    def _published(self) -> dict[str, Tensor]:
        """The averaged weights, with the starting weights' share."""
        share, average = self.config.start.share, self._progress.average.weights
        if not share:
            return average
        return {key: torch.lerp(value.cpu(), self._began[key], share) for key, value in average.items()}


def _lacks_bfloat16() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX2"
