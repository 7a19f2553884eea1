"""Fleets on Ray, as operators run them: what is lost comes back with its ids, and who is full says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.assets import DEMO_BUNDLE
from ermu.evaluation.metrics import region_similarities
from ermu.runtime.images.labels import read_label_map
from ermu.scenes.source import SceneSource
from tests.fleet.scenarios import RAY_FAILED, alone
from tests.support.import_graph import ROOT
from tests.support.processes import running

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra `fleet`)"),
]
BOTH = {"1": "object 1", "2": "object 2"}
Scenario = Callable[..., dict[str, Any]]


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Runs a scenario of `tests.fleet.scenarios` on the demo's bundle; returns what came of it."""

    def run(name: str, **environment: str) -> dict[str, Any]:
        words = [sys.executable, "-m", "tests.fleet.scenarios", name, tmp_path, DEMO_BUNDLE]
        command = alone(words)
        if command is None:
            pytest.skip("no network of its own can be had here (unshare --net): Ray would be open to others")
        own = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        with running(command, cwd=ROOT, env=own) as process:
            printed, said = process.communicate(timeout=800)
        if RAY_FAILED in said:
            pytest.skip("Ray's parts did not load within its own 15 seconds: the machine is too busy")
        assert process.returncode == 0, said[-4000:]
        return dict(json.loads(printed.splitlines()[-1]))

    return run


def test_a_worker_that_is_killed_comes_back_and_a_full_fleet_refuses(scenario: Scenario) -> None:
    came = scenario("small")
    assert came["objects"] == {"a": {**BOTH, "1": "Mina"}, "b": BOTH}
    assert came["workers_lost"] == 1 and came["code"] == 0
    assert came["full"]["status"] == 409
    assert "full" in came["full"]["problem"] and "1 workers are the most" in came["full"]["problem"]
    assert came["answers"] == {
        **dict.fromkeys(("page", "described", "ready", "picture", "session"), 200),
        **dict.fromkeys(("unknown", "unknown to move"), 404),
        **dict.fromkeys(("moved nowhere", "moved to none", "added twice"), 409),
        **dict.fromkeys(("added with a file", "added with a bundle"), 409),
        **dict.fromkeys(("badly moved", "badly added"), 422),
    }
    assert came["added"] == 201, "where one has left, another finds room"
    assert 'ermu_frames_total{stream="a",worker="w2"}' in came["metrics"]
    assert 'ermu_fleet_moves_total{stream="b"} 1.0' in came["metrics"]
    assert "image/jpeg" in came["picture"] and "X-Ermu-Picture" in came["picture"]


def accuracy(folder: Path, after: int) -> float:
    """Mean Jaccard of both objects on the label maps from a frame on."""
    scene = SceneSource.open("scene:3,size=96x160,frames=60,objects=2,fps=1,swing")
    found = []
    for path in sorted(folder.rglob("*.png")):
        if int(path.stem) > after:
            found.append(region_similarities(scene.label(int(path.stem)), read_label_map(path), 2))
    assert len(found) > 5
    return float(np.mean(found))


@pytest.mark.long
def test_eight_streams_lose_a_node(scenario: Scenario, tmp_path: Path) -> None:
    came = scenario("node_killed")
    names = [f"s{number}" for number in range(8)]
    assert 0 < len(came["moved"]) < 8
    assert came["objects"] == {name: {**BOTH, "2": f"of {name}"} for name in names}
    told = {each["name"]: each for each in came["status"]["streams"]}
    assert all(told[name]["frames_lost"] == 0 and told[name]["strikes"] == 0 for name in names)
    still = came["by_hand"]["name"]
    assert came["by_hand"]["status"] == 200 and came["code"] == 0
    assert came["by_hand"]["objects"] == {**BOTH, "2": f"of {still}"}
    undisturbed, moved = (accuracy(tmp_path / "labels" / name, 3) for name in (still, came["moved"][0]))
    print(f"\nback after {came['back']:.1f} s; J {moved:.4f}, undisturbed {undisturbed:.4f}")
    assert abs(moved - undisturbed) <= 0.01


@pytest.mark.long
@pytest.mark.gpu
def test_workers_have_gpus(scenario: Scenario, tmp_path: Path) -> None:
    """`python -m tests.emulated_gpu pytest -m "long and gpu" tests/fleet`, where there is no GPU."""
    came = scenario("on_gpu")
    (worker,) = came["status"]["workers"]
    assert {each["worker"] for each in came["status"]["streams"]} == {worker["name"]}
    assert 'ermu_device_memory_bytes{device="' in came["metrics"]
    assert came["full"]["status"] == 409 and "GPU" in came["full"]["problem"]
    assert came["code"] == 0
    assert min(accuracy(tmp_path / "labels" / name, 2) for name in "ab") > 0.8


@pytest.mark.long
def test_a_poisoned_stream_is_quarantined_and_the_others_live_on(scenario: Scenario, tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "poison-1.dist-info").mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: poison\nVersion: 1\n"
    (package / "poison-1.dist-info" / "METADATA").write_text(metadata)
    points = "[ermu.sources]\npoison = poison:PoisonSource\n"
    (package / "poison-1.dist-info" / "entry_points.txt").write_text(points)
    (package / "poison.py").write_text(POISON)
    came = scenario("poisoned", PYTHONPATH=os.pathsep.join([str(package), str(ROOT)]))
    told = {each["name"]: each for each in came["status"]["streams"]}
    assert told["poison"]["standing"] == "quarantined" and told["poison"]["strikes"] == 3
    assert {told[name]["standing"] for name in "ab"} == {"placed"}
    assert came["objects"] == {"a": BOTH, "b": BOTH}
    assert came["shown"]["state"] == "ended" and "crashed its worker 3 times" in came["shown"]["error"]


@pytest.mark.long
def test_a_head_that_is_killed_and_started_again_has_every_object(scenario: Scenario) -> None:
    came = scenario("restarted")
    assert came["objects"] == {"a": {**BOTH, "1": "Mina"}, "b": BOTH}
    assert came["frame"] > came["noted"], "frames are counted on"


@pytest.mark.long
def test_an_evaluation_on_ray_is_one_machines_byte_for_byte(scenario: Scenario, tmp_path: Path) -> None:
    came = scenario("offline")
    assert came["codes"] == {"here": 1, "ray": 1, "again": 1}, came["said"]  # one sequence is broken
    assert all("broken" in said for said in came["said"].values())

    def written(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "_scores")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    here, there = written(tmp_path / "here"), written(tmp_path / "ray")
    assert len([name for name in here if name.startswith(("first/", "third/"))]) == 12
    assert here == there


@pytest.mark.long
def test_many_videos_on_ray_are_those_of_ermu_run_byte_for_byte(scenario: Scenario, tmp_path: Path) -> None:
    came = scenario("many_videos")
    assert came["codes"] == [1, 1], came["said"]  # one is broken, and is tried again
    assert all("broken" in said and "2 of 3 videos" in said for said in came["said"])
    here = {path.relative_to(tmp_path / "here"): path for path in (tmp_path / "here").rglob("*.png")}
    assert len(here) == 10
    assert all((tmp_path / "ray" / place).read_bytes() == path.read_bytes() for place, path in here.items())
    assert sorted(path.name for path in (tmp_path / "ray" / "_done").iterdir()) == ["first", "third"]


def test_without_ray_the_error_names_the_extra() -> None:
    script = (
        "import sys\nfrom importlib import util\nfound = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'ray' else found(name, *rest)\n"
        "sys.modules['ray'] = None\nsys.argv = ['ermu', 'fleet', '--config', sys.argv[1]]\n"
        "from ermu.cli import main\nmain()"
    )
    config = ROOT / "tests" / "fleet" / "fleet.yaml"
    done = subprocess.run([sys.executable, "-c", script, config], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "ermu[fleet]" in done.stderr, done.stderr


POISON = """
import os
from ermu.scenes.source import SceneSource

class PoisonSource(SceneSource):
    help = "a crash, poison:FRAMES"

    @classmethod
    def opens(cls, where):
        return where.startswith("poison:")

    @classmethod
    def open(cls, where):
        source = super().open("scene:5,size=96x160,fps=4,swing")
        source.frames = int(where.partition(":")[2])
        return source

    def __iter__(self):
        for frame in super().__iter__():
            if frame.index == self.frames:
                os._exit(11)
            yield frame
"""
