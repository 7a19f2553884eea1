"""Files of a training: the checkpoint from which it goes on bit by bit, and the weights that it publishes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ermu.errors import CheckpointError
from ermu.training.learning.averaging import WeightAverage


@dataclass(frozen=True)
class Progress:
    """Everything that changes while a training runs, but for the step."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    scaler: torch.amp.GradScaler


def save_checkpoint(path: Path, progress: Progress, step: int, config: dict[str, Any]) -> None:
    """Writes a checkpoint atomically.

    Args:
        path: Target file.
        progress: What to save.
        step: Steps done, which is also the place in the data stream.
        config: The training's config, to refuse resuming another one.
    """
    state = {
        "step": step,
        "config": config,
        "network": progress.network.state_dict(),
        "optimizer": progress.optimizer.state_dict(),
        "average": progress.average.state_dict(),
        "scaler": progress.scaler.state_dict(),
        "random": _random_states(),
    }
    _save(path, state)


def load_checkpoint(path: Path, progress: Progress, config: dict[str, Any]) -> int:
    """Puts a training back to where a checkpoint left it; returns the steps done.

    Raises:
        CheckpointError: the file is damaged, or belongs to a training with another config.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        fix = "choose another --out folder, or move the file away to start anew"
        raise CheckpointError(f"{path} cannot be read: {error}", fix=fix) from error
    if not isinstance(state, dict) or not isinstance(state.get("config"), dict):
        raise CheckpointError(
            f"{path} is a checkpoint, but not one that `ermu train` goes on from.",
            fix="choose another --out folder",
        )
    differing = [key for key in config if state["config"].get(key) != config[key]]
    if differing:
        raise CheckpointError(
            f"{path} belongs to a training that differs in: {', '.join(differing)}.",
            fix="choose another --out folder, or restore the config",
        )
    progress.network.load_state_dict(state["network"])
    progress.optimizer.load_state_dict(state["optimizer"])
    progress.average.load_state_dict(state["average"])
    progress.scaler.load_state_dict(state["scaler"])
    _restore_random_states(state["random"])
    step: int = state["step"]
    return step


def publish_weights(
    path: Path, weights: Mapping[str, Tensor], spec: dict[str, Any], provenance: dict[str, Any]
) -> None:
    """Writes weights in half precision, with the network's description and where they come from.

    The file is a checkpoint as `ermu export` takes it: weights under `state_dict`, description under `spec`.
    """
    half = {key: value.half() for key, value in weights.items()}
    _save(path, {"state_dict": half, "spec": spec, "provenance": provenance})


def _random_states() -> dict[str, Any]:
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore_random_states(states: dict[str, Any]) -> None:
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])


def _save(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    torch.save(content, temporary)
    temporary.replace(path)
