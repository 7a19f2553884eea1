"""The lowest versions that pyproject allows: every command says its help, and the usual ones work."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermu.cli import COMMANDS
from tests.installs.environments import Environment, environment

EXTRAS = "bench,build,cpu,eval,headless,scenes,serve"  # torch's lowest release has no build for CPUs on PyPI
SCENE = "scene:7,size=96x160,frames=4,objects=2"


@pytest.fixture(scope="module")
def lowest() -> Environment:
    return environment(EXTRAS, lowest=True)


def test_every_help(lowest: Environment, tmp_path: Path) -> None:
    """typer 0.15 ended in a TypeError with click 8.2."""
    for command in ("", *COMMANDS):
        said = lowest.ermu(*command.split(), "--help", cwd=tmp_path)
        assert said.returncode == 0 and said.stderr == "" and "--help" in said.stdout, said.stderr


def test_commands_work(lowest: Environment, tmp_path: Path) -> None:
    demo, out = ("--bundle", "demo"), tmp_path / "out"
    for words in (
        ("doctor",),
        ("inspect", "demo"),
        ("demo", "--frames", "4", "--out", tmp_path / "demo"),
        ("run", *demo, "--source", SCENE, "--out", out, "--overlay", out / "a.mp4"),
        (
            "run",
            *demo,
            "--source",
            out / "a.mp4",
            "--prompt",
            out / "labels" / "00000.png",
            "--out",
            tmp_path / "again",
        ),
        ("build", *demo, "--precision", "fp16", "--out", tmp_path / "fp16"),
        (
            "bench",
            *demo,
            "--size",
            "97x161",
            "--frames",
            "2",
            "--warmup",
            "0",
            "--plot",
            tmp_path / "plot.png",
        ),
    ):
        said = lowest.ermu(*words, cwd=tmp_path)
        assert said.returncode == 0, f"{words}\n{said.stdout}{said.stderr}"
        assert "Warning" not in said.stderr, said.stderr
