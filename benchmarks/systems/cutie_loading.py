"""Cutie's network, with the weights of a checkpoint or with random ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from ermu.errors import BenchmarkError

_SEED = 2026
_DATASET = "d17-val"  # whose settings are used: 5 memory frames, one in 5 remembered, no long-term memory
_WIDTHS = {1024: "base", 256: "small"}  # of the encoder's deepest features
_TELLS = "pix_feat_proj.weight"
_EXPECTED = "a checkpoint of Cutie, cutie-base-mega.pth for one"


def load_cutie(checkpoint: Path | None) -> tuple[Any, str]:
    """A `CUTIE` and its name: the base network, or the one that the checkpoint is of.

    Raises:
        BenchmarkError: the file is no checkpoint of Cutie.
    """
    if checkpoint is None:
        return _network("base"), "Cutie-base"
    weights = _weights(checkpoint)
    size = _WIDTHS.get(weights[_TELLS].shape[1], "base") if _TELLS in weights else "base"
    network = _network(size)
    if missing := sorted(network.state_dict().keys() - weights.keys()):
        problem = f"{checkpoint} lacks {len(missing)} weights of Cutie-{size}, {missing[0]} for one."
        raise BenchmarkError(problem, expected=_EXPECTED)
    try:
        network.load_weights(weights)
    except RuntimeError as error:  # a weight of another shape
        raise BenchmarkError(
            f"{checkpoint} does not fit Cutie-{size}: {error}", expected=_EXPECTED
        ) from error
    return network, f"Cutie-{size} of {checkpoint.name}"


def published_config(size: str) -> Any:
    """Cutie's own evaluation settings, read without Hydra."""
    from omegaconf import OmegaConf

    folder = files("cutie.config")
    config = OmegaConf.load(str(folder / "eval_config.yaml"))
    model: Any = OmegaConf.load(str(folder / "model" / "base.yaml"))
    if size != "base":
        model = OmegaConf.merge(model, OmegaConf.load(str(folder / "model" / f"{size}.yaml")))
    chosen = config.datasets[_DATASET]
    extra = {"model": model, "use_long_term": chosen.use_long_term, "mem_every": chosen.mem_every}
    return OmegaConf.merge(config, extra)


def _network(size: str) -> Any:
    from cutie.model.cutie import CUTIE

    with torch.random.fork_rng(devices=[]), _without_download():
        torch.manual_seed(_SEED)
        return CUTIE(published_config(size))


@contextmanager
def _without_download() -> Iterator[None]:
    """Meanwhile its encoders are made without the weights of ImageNet, which a checkpoint replaces."""
    from cutie.model.utils import resnet

    known = resnet.model_zoo.load_url, resnet.load_weights_add_extra_dim
    resnet.model_zoo.load_url = lambda *arguments, **options: {}
    resnet.load_weights_add_extra_dim = lambda *arguments, **options: None
    try:
        yield
    finally:
        resnet.model_zoo.load_url, resnet.load_weights_add_extra_dim = known


def _weights(checkpoint: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        raise BenchmarkError(f"{checkpoint} cannot be read: {error}", expected=_EXPECTED) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise BenchmarkError(f"{checkpoint} holds no weights by name.", expected=_EXPECTED)
    return found
