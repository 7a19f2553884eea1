"""`ermu train`: trains a network as a YAML file says, or goes on where a training stopped."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ermu.errors import DependencyError


def train(
    config: Annotated[Path, typer.Option(help="YAML file that describes the training.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoint, weights and log; a checkpoint in it is resumed."),
    ] = None,
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="Stop when so many steps are done in total; resume later.")
    ] = None,
) -> None:
    """Train a network. Started again with the same arguments it goes on exactly; use torchrun for GPUs."""
    try:
        import torch  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        raise DependencyError(error.name or "torch", "ermu train", "train") from error
    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.cli.result_folders import check_training
    from ermu.training.config import load_config
    from ermu.training.curve import plot_curve
    from ermu.training.trainer import Trainer

    settings = load_config(config)
    folder = out or Path("runs") / settings.name
    check_training(config, [settings.start.checkpoint, settings.start.encoder], folder)
    result = Trainer(settings, folder, typer.echo).run(stop_after)
    with suppress(DependencyError):  # the picture is an extra; without matplotlib the log is there
        plot_curve(result.log, result.log.with_name("curve.png"))
    typer.echo(f"{result.steps} of {settings.steps} steps done: {result.weights}, {result.log}")
