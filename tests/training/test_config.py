"""Configs are strict: what is not understood is named and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ermu.errors import ErmuError
from ermu.training.config import StartConfig, TrainingConfig, load_config

CONFIGS = Path(__file__).parents[2] / "training" / "configs"


def _written(folder: Path, content: Any) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_published_configs_are_valid(path: Path) -> None:
    config = load_config(path)
    assert config.network.spec().width % config.network.spec().heads == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 1.0}, "learning_rate"),
        ({"phases": [{"start": 0.0, "size": 160}]}, "161 is"),
        ({"phases": [{"start": 0.2}]}, "start at 0"),
        ({"data": {"sources": [{"kind": "vost"}]}}, "data.sources.0.vost.root"),
        ({"data": {"sources": [{"kind": "film"}]}}, "'pictures'"),
        ({"data": {"sources": [{"kind": "scenes", "length": 5}]}}, "scene_frames"),
        ({"phases": [{"augmentation": "v3"}]}, "phases.0.augmentation"),
        ({"phases": [{"merge": 1.5}]}, "phases.0.merge"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"network": {"depth": 3}}, "network.depth"),
        ({"steps": 0}, "steps"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ErmuError) as caught:
        load_config(_written(tmp_path, {"name": "x", **change}))
    assert named in str(caught.value)


def test_missing_file_and_broken_yaml_are_told(tmp_path: Path) -> None:
    with pytest.raises(ErmuError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1", encoding="utf-8")
    with pytest.raises(ErmuError, match="not YAML"):
        load_config(broken)


def test_unknown_base_network_is_refused() -> None:
    with pytest.raises(ErmuError, match="aotx"):
        TrainingConfig(name="x", network={"base": "aotx"}).network.spec()  # type: ignore[arg-type]


def test_what_nobody_trained_is_drawn_as_published_beside_a_checkpoint() -> None:
    assert StartConfig(checkpoint=Path("zoo.pth")).drawn_as_published
    assert not StartConfig(checkpoint=Path("zoo.pth"), draw="identities").drawn_as_published
    assert not StartConfig(imagenet_encoder=True).drawn_as_published
    assert StartConfig(encoder=Path("resnet50.pth"), draw="published").drawn_as_published


def test_phase_of_a_step() -> None:
    phases = [{"start": 0.0, "batch": 1}, {"start": 0.25, "batch": 2}, {"start": 0.9, "batch": 3}]
    config = TrainingConfig(name="x", steps=10, phases=phases)  # type: ignore[arg-type]
    assert [config.phase(s).batch for s in range(10)] == [1, 1, 1, 2, 2, 2, 2, 2, 2, 3]
