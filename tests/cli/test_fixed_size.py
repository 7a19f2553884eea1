"""`--long-edge` beside a bundle that has one size: it says once that nothing comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands.test_run import ermu
from tests.evaluation.layouts import vost
from tests.support.toy.bundle import write_toy

SAID = "--long-edge 480 has no effect: {} takes 64x64 only."


@pytest.mark.parametrize("command", ["run", "eval"])
def test_a_long_edge_without_effect_is_told_once(command: str, tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy").path
    source = ["--source", "scene:1,size=48x64,objects=1,frames=2"] * 2
    if command == "eval":
        source = ["--dataset", "vost", "--root", str(vost(tmp_path / "VOST")), "--backend", "onnxruntime"]
    options = ("--bundle", toy, *source, "--out", tmp_path / "out", "--threads", 1)
    told = ermu(command, *options, "--long-edge", 480)
    assert told.returncode == 0, told.stderr
    assert (told.stdout + told.stderr).count(SAID.format(toy)) == 1


def test_the_bundles_own_long_edge_is_nothing_to_tell(tmp_path: Path) -> None:
    toy, source = write_toy(tmp_path / "toy").path, "scene:1,size=48x64,objects=1,frames=2"
    done = ermu("run", "--bundle", toy, "--source", source, "--out", tmp_path / "out", "--long-edge", 64)
    assert done.returncode == 0 and "no effect" not in done.stdout + done.stderr


def test_groups_are_refused_where_there_are_none(tmp_path: Path) -> None:
    toy, source = write_toy(tmp_path / "toy").path, "scene:1,size=48x64,objects=1,frames=2"
    done = ermu("run", "--bundle", toy, "--source", source, "--out", tmp_path / "out", "--max-groups", 2)
    assert done.returncode == 1
    assert "toy has no groups" in done.stderr and "leave --max-groups out" in done.stderr
