"""Cutie's peer does the work of its own inference core."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.benchmarks.peer import PeerOptions
from ermu.errors import BenchmarkError
from ermu.registries import PEERS
from ermu.runtime.bundle.bundle import Bundle
from ermu.types import Image, LabelMap
from tests.benchmarks.systems.clips import frames_of, label_of

torch = pytest.importorskip("torch")
for package in ("omegaconf", "einops", "cutie.model.cutie"):
    pytest.importorskip(package, reason="rf-cutie is not installed (ermu[cutie])")


def opened(checkpoint: Path | None, precision: str = "fp32") -> Any:
    return PEERS.get("cutie").open(PeerOptions(Bundle.load("demo"), 1, 9, precision, weights=checkpoint))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of Cutie-small, drawn so that objects live on."""
    from ermu.benchmarks.systems.cutie_loading import _network

    network = _network("small")
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                noise = torch.randn(weight.shape, generator=generator)
                weight.copy_(noise / weight[0].numel() ** 0.5)
        network.mask_decoder.pred.bias.fill_(-6)  # the logits' mean is 6
    path = tmp_path_factory.mktemp("cutie") / "cutie-small.pth"
    torch.save(network.state_dict(), path)
    return path


@torch.inference_mode()
def own_label_maps(checkpoint: Path, frames: list[Image], label: LabelMap) -> list[LabelMap]:
    """Cutie alone: settings as its own evaluation takes them from its files, frames in RGB of 0 to 1."""
    from cutie.inference.inference_core import InferenceCore
    from cutie.inference.utils.args_utils import get_dataset_cfg
    from cutie.model.cutie import CUTIE

    from ermu.benchmarks.systems.cutie_loading import _without_download, published_config

    config = published_config("small")
    config.dataset, config.mem_every, config.use_long_term = "d17-val", None, None
    get_dataset_cfg(config)
    with _without_download():
        network = CUTIE(config).eval()
    network.load_weights(torch.load(checkpoint))
    core = InferenceCore(network, cfg=config)
    tensors = [torch.from_numpy(frame[..., ::-1] / 255.0).permute(2, 0, 1).float() for frame in frames]
    core.step(tensors[0], torch.from_numpy(label.astype(np.int64)), objects=[2, 7])
    return [core.output_prob_to_mask(core.step(tensor)).numpy() for tensor in tensors[1:]]


def test_label_maps_are_its_own(checkpoint: Path) -> None:
    """22 frames: the memory is full after 21, and one in five enters it."""
    frames, label = frames_of(22, (80, 96)), label_of((80, 96))
    system = opened(checkpoint)
    system.start(frames[0], label)
    followed = [system.step(frame) for frame in frames[1:]]
    expected = own_label_maps(checkpoint, frames, label)
    assert min(np.mean(a.label == b) for a, b in zip(followed, expected, strict=True)) > 0.999
    assert [i for i, each in enumerate(followed, 1) if each.remembered] == [5, 10, 15, 20]
    assert {0, 2, 7} == {int(i) for each in expected for i in np.unique(each)}
    assert any((a != b).any() for a, b in pairwise(expected))
    assert (system.settles, system.gap, system.network) == (21, 5, "Cutie-small of cutie-small.pth")


def test_large_frames_are_scaled_to_480_lines(checkpoint: Path) -> None:
    frames, label = frames_of(2, (484, 486)), label_of((484, 486))
    system = opened(checkpoint)
    system.start(frames[0], label)
    assert "480x481" in system.description
    assert system.step(frames[1]).label.shape == (484, 486)


def test_bfloat16_is_for_one_object(checkpoint: Path) -> None:
    peer = PEERS.get("cutie")
    frames, label = frames_of(2, (80, 96)), label_of((80, 96))
    system = opened(checkpoint, "bf16")
    system.start(frames[0], label)
    assert system.precision == "fp32"
    system.start(frames[0], np.where(label == 2, label, 0).astype(np.uint8))
    assert system.precision == peer.precision(PeerOptions(Bundle.load("demo"), 1, 9, "bf16"))
    assert system.step(frames[1]).label.shape == (80, 96)


def test_frames_too_small_for_its_memory_are_refused(checkpoint: Path) -> None:
    """24 cells of 16 x 16 pixels, and it reads the best 30."""
    with pytest.raises(BenchmarkError, match="24 cells"):
        opened(checkpoint).start(frames_of(1, (64, 96))[0], label_of((64, 96)))


def test_files_of_other_things_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(BenchmarkError, match="cannot be read"):
        opened(path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(BenchmarkError, match="cannot be read"):
        opened(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(BenchmarkError, match="holds no weights"):
        opened(path)
    weights = torch.load(checkpoint)
    torch.save(
        {name: weight for name, weight in weights.items() if name != "key_proj.pix_feat_proj.bias"}, path
    )
    with pytest.raises(BenchmarkError, match="lacks 1 weights of Cutie-small, key_proj"):
        opened(path)
