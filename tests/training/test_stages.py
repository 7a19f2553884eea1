"""The stages' configs have the published figures, and train: two steps each, on small data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from ermu.cli import app
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
HEADS = {
    "r50_aotl": {"heads": 1, "key_width": 32},
    "r50_deaotl": {"heads": 1, "key_width": 16},
}


def _small(name: str, folder: Path, base: str | None = None, **start: str) -> Path:
    """A stage's own config, cut to two steps of one clip of 65 px with a narrow network."""
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text("utf-8"))
    base = base or content["network"]["base"]
    content["network"] = {"base": base, **SMALL, **HEADS[base]}
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
    """Weights laid out as a zoo file: 11 identity channels, no temporal rows, what zoo AOT has instead."""
    torch.manual_seed(1)
    spec = network_spec(base, **{**SMALL, **HEADS[base]})
    weights = dict(SegmentationNetwork(spec).state_dict())
    for key in ("cur_pos_emb", "mem_pos_emb"):
        del weights[key]
    weights["patch_wise_id_bank.weight"] = weights["patch_wise_id_bank.weight"][:, :11].clone()
    if "de" not in base:
        block = "LSTT.layers.0."
        for key in [k for k in weights if k.startswith(block) and ("Mem." in k or "norm4" in k)]:
            del weights[key]
        weights[f"{block}short_term_attn.relative_emb_k.weight"] = torch.zeros(225, 32, 1, 1)
        weights[f"{block}short_term_attn.relative_emb_v"] = torch.zeros(1, 32, 225)
    torch.save({"state_dict": weights}, path)
    return weights


@pytest.mark.parametrize("base", ["r50_aotl", "r50_deaotl"])
def test_fine_tuning_on_vost_starts_from_a_zoo_checkpoint(tmp_path: Path, base: str) -> None:
    root, start = tmp_path / "data" / "VOST", tmp_path / "zoo.pth"
    write_dataset(root, "vost", {"a": 9, "b": 9})
    (root / "JPEGImages_10fps").rename(root / "JPEGImages")
    weights = _zoo_checkpoint(start, base)
    said = _train(_small("pre_vost_2", tmp_path, base, checkpoint=str(start)), tmp_path / "out")
    assert "1 without the last channel: patch_wise_id_bank.weight" in said
    missing = said.partition("missing: ")[2].split("\n")[0].split(", ")
    assert {"cur_pos_emb", "mem_pos_emb"} <= set(missing)
    if base == "r50_aotl":
        assert "unknown: LSTT.layers.0.short_term_attn.relative_emb_k.weight" in said
        assert "LSTT.layers.0.linear_QMem.weight" in missing
    trained = torch.load(tmp_path / "out" / "checkpoint.pth")["network"]
    # Two steps at a rate of at most 2e-4 move no weight by more than twice that, and a little decay.
    for key, value in weights.items():
        if key in trained and value.shape == trained[key].shape:
            assert torch.allclose(trained[key], value, atol=5e-4), key
    bank = trained["patch_wise_id_bank.weight"]
    assert torch.allclose(bank[:, :11], weights["patch_wise_id_bank.weight"], atol=5e-4)
    assert 0 < trained["mem_pos_emb"].std() < 0.1


def test_the_zoos_stages_follow_each_other(tmp_path: Path) -> None:
    """Pictures first, then videos from the averaged weights that those left."""
    static = tmp_path / "data" / "Static"
    for name in ("COCO", "ECSSD", "MSRA10K", "PASCAL-S", "PASCALVOC2012"):
        write_pictures(static / "JPEGImages" / name, static / "Annotations" / name, 1)
    write_dataset(tmp_path / "data" / "YTB" / "2019" / "train", "youtube", {"a": 6, "b": 6})
    write_dataset(tmp_path / "data" / "DAVIS", "davis", {"c": 20, "d": 20})
    said = _train(_small("pre", tmp_path, "r50_deaotl", draw="published"), tmp_path / "pre")
    assert "reference" in said
    start = str(tmp_path / "pre" / "weights.pth")
    said = _train(_small("pre_ytb_dav", tmp_path, "r50_deaotl", checkpoint=start), tmp_path / "second")
    assert "weights loaded" in said and "missing" not in said and "unknown" not in said
