"""A package of somebody else's adds a policy and a sink: the one that docs/plugins.md shows, installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ermu import registries as known
from ermu.registry import Registry
from ermu.runtime.images.labels import read_label_map
from tests.cli.commands.test_run import ermu as run_ermu

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the page's package is installed, as pip does it."""
    source, target = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("installed")
    text = PAGE.read_text()
    for kind, name in (("toml", "pyproject.toml"), ("python", "ermu_early.py")):
        (block,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
        (source / name).write_text(block)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", target, source], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


def ermu(*arguments, added):
    """The command with a folder of packages beside those that are installed."""
    path = os.pathsep.join([str(added), *filter(None, [os.environ.get("PYTHONPATH")])])
    return run_ermu(*arguments, env={"PYTHONPATH": path})


def test_policy_and_sink_from_the_command_line(installed, tmp_path):
    done = ermu(
        *("run", "--bundle", "demo", "--source", "scene:7", "--out", tmp_path / "out", "--max-frames", 6),
        *("--policy", "early", "--capacity", 3, "--gap", 1, "--trace", tmp_path / "t.jsonl"),
        *("--sink", f"areas={tmp_path / 'a.csv'}"),
        added=installed,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    # worked out by hand: full after frame 2, from then on the newest held makes room
    held = [[0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 1, 5]]
    assert [line["memory_frames"] for line in lines] == held
    assert [line["evicted"] for line in lines] == [None, None, None, 2, 3, 4]
    maps = [read_label_map(path) for path in sorted((tmp_path / "out" / "labels").iterdir())]
    rows = [f"{i},{np.count_nonzero(label)}" for i, label in enumerate(maps)]
    assert (tmp_path / "a.csv").read_text().splitlines() == rows


def test_each_stream_has_a_sink_of_its_own(installed, tmp_path):
    done = ermu(
        *("run", "--bundle", "demo", "--source", "scene:7", "--source", "scene:8", "--max-frames", 2),
        *("--out", tmp_path / "out", "--sink", f"areas={tmp_path / 'a.csv'}"),
        added=installed,
    )
    assert done.returncode == 0, done.stderr
    assert {file.name for file in tmp_path.glob("*.csv")} == {"a-0.csv", "a-1.csv"}


def test_help_names_them(installed):
    shown = ermu("run", "--help", added=installed).stdout
    assert "early" in shown and "areas" in shown


def test_a_package_that_does_not_load_is_named(tmp_path):
    info = tmp_path / "broken_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1\n")
    points = (
        "[ermu.policies]\nbroken = nowhere:Policy\nfifo = nowhere:Policy\n[ermu.sources]\nlost = nowhere:S"
    )
    (info / "entry_points.txt").write_text(points)
    arguments = ("run", "--bundle", "demo", "--source", "scene:7", "--max-frames", 2)
    done = ermu(*arguments, "--out", tmp_path / "a", "--policy", "broken", added=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "The eviction policy 'broken' of broken-package does not load" in done.stderr
    done = ermu(
        "--log-format", "json", *arguments, "--out", tmp_path / "b", "--policy", "fifo", added=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (line,) = (json.loads(line) for line in done.stderr.splitlines())
    assert (line["level"], line["logger"]) == ("warning", "ermu.sources")
    assert "The source 'lost' of broken-package does not load" in line["message"]


def test_the_stable_groups_are_those_of_the_registries():
    registries = [value for value in vars(known).values() if isinstance(value, Registry)]
    groups = {registry.group for registry in registries} | {"ermu.bundles"}
    page = PAGE.with_name("stability.md").read_text()
    assert set(re.findall(r"^\| `(ermu\.\w+)`", page, re.MULTILINE)) == groups
