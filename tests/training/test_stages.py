"""The stages' configs have the published figures, and train: two steps each, on small data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from ermu.cli import app
from ermu.export.checkpoint import load_checkpoint
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.training.config import load_config
from tests.training.data.sources.layouts import write_dataset, write_pictures

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
# What the stages differ in, as published (shared figures: test_figures_that_all_stages_share).
FIGURES: dict[str, dict[str, Any]] = {
    "pre": {
        "steps": 100_000,
        "rates": (4e-4, 2e-5),
        "decay": 0.03,
        "frames": 5,
        "merge": 1.0,
        "gap": 2,
        "own": 1.0,
        "reference": 0.1,
    },
    "pre_ytb_dav": {
        "steps": 100_000,
        "rates": (2e-4, 1e-5),
        "decay": 0.07,
        "frames": 5,
        "merge": 0.3,
        "gap": 2,
        "own": 0.5,
        "reference": 1.0,
    },
    "pre_vost": {
        "steps": 20_000,
        "rates": (2e-4, 1e-5),
        "decay": 0.07,
        "frames": 15,
        "merge": 0.2,
        "gap": 4,
        "own": 0.5,
        "reference": 1.0,
    },
    "pre_vost_2": {
        "steps": 20_000,
        "rates": (2e-4, 1e-5),
        "decay": 0.07,
        "frames": 17,
        "merge": 0.2,
        "gap": 4,
        "own": 0.5,
        "reference": 1.0,
    },
}


@pytest.mark.parametrize("name", FIGURES)
def test_stages_have_the_published_figures(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    (phase,) = config.phases
    assert {
        "steps": config.steps,
        "rates": (config.rate, config.final_rate),
        "decay": config.weight_decay,
        "frames": phase.frames,
        "merge": phase.merge,
        "gap": phase.memory_gap,
        "own": config.own_predictions_from,
        "reference": config.reference_until,
    } == FIGURES[name]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_that_all_stages_share(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert (config.warm_up, config.encoder_rate, config.clip_gradient) == (0.05, 0.1, 5.0)
    assert (config.average_ratio, config.drop_path, config.drop_channels) == (0.1, 0.1, 0.1)
    assert config.drop_encoder_path == 0.3
    assert config.rates_above_final and config.start.drawn_as_published
    assert config.phases[0].size == 465 and config.phases[0].loss_stride == 1


def test_sources_of_the_stages() -> None:
    def sources(name: str) -> list[dict[str, Any]]:
        return [s.model_dump() for s in load_config(CONFIGS / f"{name}.yaml").data.sources]

    (pictures,) = sources("pre")
    assert pictures["sets"] == ("COCO", "ECSSD", "MSRA10K", "PASCAL-S", "PASCALVOC2012")
    youtube, davis = sources("pre_ytb_dav")
    assert (youtube["kind"], youtube["repeat"], youtube["max_gap"]) == ("youtube", 1, 3)
    assert (davis["kind"], davis["repeat"], davis["max_gap"]) == ("davis", 5, 12)
    for name in ("pre_vost", "pre_vost_2"):
        (vost,) = sources(name)
        assert (vost["ignore_threshold"], vost["images"]) == (0.2, "JPEGImages")
        assert load_config(CONFIGS / f"{name}.yaml").phases[0].max_gap == 3


SMALL = {"encoder": "efficientnet_lite0", "blocks": 1, "width": 32, "feedforward": 32, "decoder_width": 16}
HEADS = {"aot": {"heads": 1, "key_width": 32}, "deaot": {"heads": 1, "key_width": 16}}


def _narrow(base: str) -> dict[str, Any]:
    """What makes a network of a name small enough for tests."""
    return {**SMALL, **HEADS["deaot" if "deaot" in base else "aot"]}


def _small(name: str, folder: Path, base: str | None = None, **start: str) -> Path:
    """A stage's own config, cut to two steps of one clip of 65 px with a narrow network."""
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text("utf-8"))
    base = base or content["network"]["base"]
    content["network"] = {"base": base, **_narrow(base)}
    content |= {"steps": 2, "precision": "float32", "threads": 1, "log_every": 1, "start": start}
    content["phases"][0] |= {"batch": 1, "size": 65, "frames": min(5, content["phases"][0]["frames"])}
    content["data"]["workers"] = 0
    for source in content["data"]["sources"]:
        for key in source.keys() & {"root", "images", "masks"}:
            if source["kind"] == "pictures" or key == "root":
                source[key] = str(folder / source[key])
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _train(config: Path, out: Path) -> str:
    result = CliRunner().invoke(app, ["train", "--config", str(config), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "2 of 2 steps done" in result.output
    return result.output


def _zoo_checkpoint(path: Path, base: str) -> dict[str, torch.Tensor]:
    """Weights of a narrow zoo network, laid out as a zoo file."""
    torch.manual_seed(1)
    weights = SegmentationNetwork(network_spec(base, **_narrow(base))).state_dict()
    torch.save({"state_dict": {f"module.{key}": value for key, value in weights.items()}}, path)
    return weights


def _close(trained: dict[str, torch.Tensor], start: dict[str, torch.Tensor]) -> bool:
    """Two steps at a rate of at most 4e-4 move no weight by more than twice that, and a little decay."""
    return all(torch.allclose(trained[key], value, atol=1e-3) for key, value in start.items())


@pytest.mark.parametrize(("base", "zoo"), [("r50_aotl", "zoo_r50_aotl"), ("r50_deaotl", "zoo_r50_deaotl")])
def test_fine_tuning_on_vost_starts_from_a_zoo_checkpoint(tmp_path: Path, base: str, zoo: str) -> None:
    root, start = tmp_path / "data" / "VOST", tmp_path / "zoo.pth"
    write_dataset(root, "vost", {"a": 9, "b": 9})
    (root / "JPEGImages_10fps").rename(root / "JPEGImages")
    weights = _zoo_checkpoint(start, zoo)
    said = _train(_small("pre_vost_2", tmp_path, base, checkpoint=str(start)), tmp_path / "out")
    assert "1 without the last channel: patch_wise_id_bank.weight" in said
    missing = said.partition("missing: ")[2].split("\n")[0].split(", ")
    assert {"cur_pos_emb", "mem_pos_emb"} <= set(missing)
    trained = torch.load(tmp_path / "out" / "checkpoint.pth")["network"]
    bank = weights.pop("patch_wise_id_bank.weight")
    assert torch.allclose(trained["patch_wise_id_bank.weight"][:, :11], bank, atol=1e-3)
    local = {key for key in weights if "relative_emb" in key and "deaot" not in zoo}
    for key in local:
        assert key in said.partition("unknown: ")[2].split("\n")[0]
    assert len(local) == (3 if base == "r50_aotl" else 0)
    assert _close(trained, {key: value for key, value in weights.items() if key in trained})
    assert {key for key in weights if key not in trained} <= {*local, "LSTT.mask_token"}
    assert 0 < trained["mem_pos_emb"].std() < 0.1


@pytest.mark.parametrize("base", ["zoo_aott", "zoo_deaott"])
def test_the_zoos_stages_follow_each_other(tmp_path: Path, base: str) -> None:
    """Pictures first, then videos from the averaged weights that those left; the result exports."""
    static = tmp_path / "data" / "Static"
    for name in ("COCO", "ECSSD", "MSRA10K", "PASCAL-S", "PASCALVOC2012"):
        write_pictures(static / "JPEGImages" / name, static / "Annotations" / name, 1)
    write_dataset(tmp_path / "data" / "YTB" / "2019" / "train", "youtube", {"a": 6, "b": 6})
    write_dataset(tmp_path / "data" / "DAVIS", "davis", {"c": 20, "d": 20})
    _train(_small("pre", tmp_path, base, draw="published"), tmp_path / "pre")
    start = str(tmp_path / "pre" / "weights.pth")
    said = _train(_small("pre_ytb_dav", tmp_path, base, checkpoint=start), tmp_path / "second")
    assert "weights loaded" in said and "missing" not in said and "unknown" not in said
    first, second = (torch.load(tmp_path / part / "weights.pth") for part in ("pre", "second"))
    assert first["state_dict"]["patch_wise_id_bank.weight"].shape[1] == 11
    assert (
        first["spec"] == second["spec"] and not {"cur_pos_emb", "mem_pos_emb"} & second["state_dict"].keys()
    )
    assert _close(
        {key: value.float() for key, value in second["state_dict"].items()},
        {key: value.float() for key, value in first["state_dict"].items()},
    )
    loaded = load_checkpoint(tmp_path / "second" / "weights.pth")
    assert loaded.spec is not None and not loaded.spec.temporal
    network = SegmentationNetwork(loaded.spec)
    assert network.load_state_dict(loaded.weights)
