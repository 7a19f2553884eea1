"""Training as a whole: the loss falls, a kill changes nothing, what should be frozen is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from ermu.errors import CheckpointError
from ermu.training.config import TrainingConfig
from ermu.training.data.clip import Batch
from ermu.training.data.sources.mixture import open_sources
from ermu.training.learning.unroll import ClipLoss, UnrollSettings
from ermu.training.log import read_log
from ermu.training.trainer import Trainer
from tests.support.processes import running


def _silent(_: str) -> None:
    pass


def _batch(config: TrainingConfig) -> Batch:
    source = open_sources(config.data, config.seed)
    return Batch.of([source.clip(i, config.phases[0]) for i in range(2)])


def test_published_weights_have_their_start_s_share(tiny: dict[str, Any], tmp_path: Path) -> None:
    began = Trainer(TrainingConfig(**tiny), tmp_path / "first", _silent).run(1).weights
    goes_on = {**tiny, "seed": 5, "start": {"checkpoint": began, "share": 0.25}}
    trained = Trainer(TrainingConfig(**goes_on), tmp_path / "second", _silent).run(2)
    start, published = (torch.load(path)["state_dict"] for path in (began, trained.weights))
    average = torch.load(tmp_path / "second" / "checkpoint.pth")["average"]["weights"]
    for key, value in published.items():
        expected = 0.25 * start[key].double() + 0.75 * average[key].double()
        torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=2**-10)
    assert any((start[key].float() - average[key]).abs().max() > 1e-4 for key in published)
    with pytest.raises(ValueError, match=r"there is no start\.checkpoint"):
        TrainingConfig(**{**tiny, "start": {"share": 0.25}})


def test_loss_falls_on_a_fixed_batch(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = TrainingConfig(**tiny)
    trainer = Trainer(config, tmp_path, _silent)
    batch, model = _batch(config), ClipLoss(trainer.network)
    optimizer = torch.optim.AdamW(trainer.network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = model(batch, UnrollSettings())["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_emulated_bfloat16_is_told_and_only_that(
    tiny: dict[str, Any], tmp_path: Path, precision: str
) -> None:
    said: list[str] = []
    Trainer(TrainingConfig(**{**tiny, "precision": precision}), tmp_path, said.append)
    emulated = torch.backends.cpu.get_cpu_capability() == "AVX2" and not torch.cuda.is_available()
    assert any("emulated" in line for line in said) == (precision == "bfloat16" and emulated)


def test_killed_training_resumes_bit_by_bit(tiny: dict[str, Any], tmp_path: Path) -> None:
    """One training runs through; another is killed by SIGKILL somewhere and started again."""
    tiny["checkpoint_minutes"] = 1e-6
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(tiny), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; import time; from ermu.training.config import load_config; "
        "from ermu.training.trainer import Trainer; "
        "Trainer(load_config(Path(sys.argv[1])), Path(sys.argv[2]), lambda line: time.sleep(0.2)).run()"
    )
    command = [sys.executable, "-c", code, str(config), str(tmp_path / "killed")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log, deadline = tmp_path / "killed" / "log.csv", time.monotonic() + 120
    with running(command, env=environment) as process:
        while not (log.is_file() and len(read_log(log)) >= 5):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)

    straight = Trainer(TrainingConfig(**tiny), tmp_path / "straight", _silent)
    straight.run()
    resumed = Trainer(TrainingConfig(**tiny), tmp_path / "killed", _silent)
    assert 4 <= resumed.step < 8
    resumed.run()

    for key, value in straight.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[key]), key
    published = [torch.load(tmp_path / run / "weights.pth")["state_dict"] for run in ("straight", "killed")]
    assert all(torch.equal(value, published[1][key]) for key, value in published[0].items())
    logs = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_log(tmp_path / run / "log.csv")]
        for run in ("straight", "killed")
    ]
    assert logs[0] == logs[1] and [row["step"] for row in logs[0]] == [str(s) for s in range(1, 9)]


def test_two_processes_train_one_network(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Under torchrun (gloo here): one set of files, and another result than either process alone."""
    tiny["steps"] = 3
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(tiny), encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from pathlib import Path; from ermu.training.config import load_config\n"
        "from ermu.training.trainer import Trainer\n"
        "trainer = Trainer(load_config(Path(sys.argv[1])), Path(sys.argv[2])); trainer.run()\n"
        "import torch; rank = torch.distributed.get_rank()\n"
        "torch.save(trainer.network.state_dict(), f'{sys.argv[2]}/rank{rank}.pth')\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(script), str(config), str(tmp_path / "two")]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120)
    Trainer(TrainingConfig(**tiny), tmp_path / "one", _silent).run()
    first, second = (torch.load(tmp_path / "two" / f"rank{rank}.pth") for rank in (0, 1))
    alone = torch.load(tmp_path / "one" / "checkpoint.pth")["network"]
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert any(not torch.equal(value, alone[key]) for key, value in first.items())
    assert [row["step"] for row in read_log(tmp_path / "two" / "log.csv")] == ["1", "2", "3"]


def test_another_config_does_not_resume(tiny: dict[str, Any], tmp_path: Path) -> None:
    Trainer(TrainingConfig(**tiny), tmp_path, _silent).run(stop_after=1)
    with pytest.raises(CheckpointError, match="rate"):
        Trainer(TrainingConfig(**{**tiny, "rate": 1.0}), tmp_path, _silent)
    assert Trainer(TrainingConfig(**{**tiny, "log_every": 5}), tmp_path, _silent).step == 1


def test_frozen_parts_stay_and_the_others_move(tiny: dict[str, Any], tmp_path: Path) -> None:
    """First half: identities learn, the encoder does not; second half: the other way round."""
    trainer = Trainer(TrainingConfig(**tiny), tmp_path, _silent)

    def state() -> dict[str, torch.Tensor]:
        return {key: value.clone() for key, value in trainer.network.state_dict().items()}

    start = state()
    trainer.run(stop_after=4)
    middle = state()
    trainer.run()
    end = state()

    def moved(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], prefix: str) -> bool:
        return any(not torch.equal(a[key], b[key]) for key in a if key.startswith(prefix))

    assert not moved(start, middle, "encoder.") and moved(start, middle, "patch_wise_id_bank.")
    assert moved(middle, end, "encoder.blocks.9.") and not moved(middle, end, "patch_wise_id_bank.")
    assert not moved(start, end, "encoder.stem.") and not moved(start, end, "encoder.blocks.2.")
    assert moved(start, end, "decoder.") and moved(start, end, "mem_pos_emb")


def test_published_weights_rebuild_the_network(tiny: dict[str, Any], tmp_path: Path) -> None:
    from ermu.export.network.network import SegmentationNetwork
    from ermu.export.network.spec import NetworkSpec

    result = Trainer(TrainingConfig(**tiny), tmp_path, _silent).run(stop_after=2)
    saved = torch.load(result.weights)
    network = SegmentationNetwork(NetworkSpec(**saved["spec"]))
    network.load_state_dict(saved["state_dict"])
    assert saved["provenance"]["steps"] == 2
    assert {value.dtype for value in saved["state_dict"].values()} == {torch.float16}


def test_own_predictions_and_labels_differ_in_the_memory_only(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Frame 1 has seen labels only, so its loss is the same in both modes; later frames' differ."""
    config = TrainingConfig(**tiny)
    network = Trainer(config, tmp_path, _silent).network
    batch = _batch(config)

    def losses(length: int, own: bool) -> float:
        short = Batch(batch.frames[:length], batch.labels[:length], batch.alive)
        return float(ClipLoss(network)(short, UnrollSettings(own_predictions=own))["frames"])

    with torch.no_grad():
        assert losses(2, True) == losses(2, False)
        assert losses(3, True) != losses(3, False)
