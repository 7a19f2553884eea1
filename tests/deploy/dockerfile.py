"""Builds a Dockerfile without a container engine: each stage is a Debian root made by debootstrap.

Every instruction is executed as it is written, RUN in a chroot. Needs root, and network for apt and pip.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.roots import PATH, debian, inside


@dataclass
class Stage:
    """A stage, or what came of the last one: the image.

    Attributes:
        root: Its file system.
        environment: What ENV set.
        arguments: What ARG set, for RUN alone.
        folder: WORKDIR.
        user: USER, by number.
        entry: ENTRYPOINT.
        command: CMD.
        health: The command of HEALTHCHECK.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"
    entry: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def expand(self, text: str) -> str:
        known = {"PATH": PATH, **self.environment}
        return re.sub(r"\$\{?(\w+)\}?", lambda name: known.get(name[1], ""), text)


def build(file: Path, roots: Path) -> Stage:
    """The image of a Dockerfile whose context is the folder above its own.

    Args:
        file: The Dockerfile, with `.dockerignore` in its context.
        roots: Where the stages' file systems are made.
    """
    stages: dict[str, Stage] = {}
    stage = Stage(roots)
    for word, rest in instructions(file.read_text("utf-8")):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            release = re.fullmatch(r"debian:(\w+)-slim", image)
            assert release, f"{image} is no Debian"
            stage = stages[name or "image"] = Stage(debian(release[1], roots, name or "image"))
        elif word == "RUN":
            environment = {"PATH": stage.expand("$PATH"), **stage.environment, **stage.arguments}
            unasked = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
            done = inside(stage.root, rest, environment=unasked, folder=stage.folder)
            assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"
        elif word == "COPY":
            _copy(stage, shlex.split(rest), stages, file.parents[1])
        else:
            _set(stage, word, rest)
    return stage


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction's word and what follows, lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\s*\\\n\s*", " ", lines)
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def _set(stage: Stage, word: str, rest: str) -> None:
    if word == "ARG":
        name, _, value = rest.partition("=")
        stage.arguments[name] = value
    elif word == "ENV":
        pairs = (pair.partition("=") for pair in shlex.split(rest))
        stage.environment |= {name: stage.expand(value) for name, _, value in pairs}
    elif word == "WORKDIR":
        stage.folder = rest
        _inside(stage, rest).mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        stage.user = rest
    elif word == "HEALTHCHECK":
        stage.health = json.loads(rest.partition("CMD ")[2])
    elif word in ("ENTRYPOINT", "CMD"):
        setattr(stage, "entry" if word == "ENTRYPOINT" else "command", json.loads(rest))
    elif word != "EXPOSE":
        raise ValueError(f"{word} is not known here")


def _copy(stage: Stage, words: list[str], stages: dict[str, Stage], context: Path) -> None:
    target = _inside(stage, words[-1])
    if words[0].startswith("--from="):
        source = _inside(stages[words[0].removeprefix("--from=")], words[1])
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)
        return
    assert words == [".", "."], "the whole context"
    lines = (context / ".dockerignore").read_text("utf-8").splitlines()
    said = [line for line in lines if line and not line.startswith("#")]
    ignored = [Path(line).name for line in said if not line.startswith("!") and line != "*"]
    for name in (line[1:] for line in said if line.startswith("!")):
        if (context / name).is_dir():
            shutil.copytree(context / name, target / name, ignore=shutil.ignore_patterns(*ignored))
        else:
            shutil.copy(context / name, target / name)


def _inside(stage: Stage, path: str) -> Path:
    return stage.root / (Path(stage.folder) / path).relative_to("/")
