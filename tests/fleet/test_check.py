"""`ermu fleet check`: what is wrong is found before anything starts, and what is open is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ermu.fleet.check import Finding, check_fleet
from ermu.runtime.config.schema import StreamsFile
from tests.support.toy.bundle import write_toy

STREAM = {"name": "a", "source": "scene:3", "bundle": "demo"}


def found(tmp_path: Path, *streams: dict[str, Any], cpus: int = 8, **more: Any) -> list[Finding]:
    given = {"sessions": str(tmp_path), "streams": [*streams] or [STREAM], **more}
    return check_fleet(StreamsFile.model_validate(given), host="127.0.0.1:8000", token=False, cpus=cpus)


def wrong(tmp_path: Path, *streams: dict[str, Any], cpus: int = 8, **more: Any) -> list[str]:
    told = found(tmp_path, *streams, cpus=cpus, **more)
    return [f"{each.about}: {each.text}" for each in told if each.wrong and "Ray is not" not in each.text]


def test_a_good_file_says_what_it_takes(tmp_path: Path) -> None:
    fleet = {"worker": {"cpus": 2.0}, "stream": {"cpus": 0.5}}
    streams = [{**STREAM, "name": f"s{number}"} for number in range(9)]
    streams.append({**STREAM, "name": "other", "backend": "onnxruntime"})
    assert not wrong(tmp_path, *streams, fleet=fleet)
    texts = [each.text for each in found(tmp_path, *streams, fleet=fleet)]
    assert "10 streams: 4 workers, 8 cores" in texts  # nine by four, and another backend's


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "a b"}, "a b: a name has"),
        ({"source": "there-is-none.mp4"}, "a: there is no such source"),
        ({"prompt": "none.png"}, "a: its prompt none.png is not there"),
        ({"session": "none.ermu"}, "a: its session none.ermu is not there"),
        ({"policy": "none"}, "a: the policy none keeps every frame"),
        ({"policy": "ermu", "capacity": 1001}, "a: Capacity 1001 is too large for the policy ermu"),
        ({"cpus": 1.5}, "a: it takes more cores"),
        ({"sinks": ["telegram"]}, "a: Unknown sink 'telegram'"),
        ({"decode": "gpu"}, "a: "),
        ({"bundle": None}, "a: Nothing says which bundle"),
        ({"bundle": "no-bundle-here"}, "no-bundle-here: "),
        ({"precision": "int3"}, "demo: "),
    ],
)
def test_each_mistake_of_a_stream_is_found(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    told = wrong(tmp_path, {**STREAM, **change})
    assert any(each.startswith(problem) for each in told), told


def test_options_that_a_network_has_no_use_for(tmp_path: Path) -> None:
    """One that follows every object by itself knows one policy, and as many memory frames as it has rows."""
    toy = {**STREAM, "bundle": str(write_toy(tmp_path / "toy").path)}
    assert not wrong(tmp_path, toy)
    assert wrong(tmp_path, {**toy, "policy": "ermu"}) == [
        "a: The policy ermu does not serve the network toy. Expected: fifo"
    ]
    assert wrong(tmp_path, {**toy, "capacity": 5})[0].startswith("a: Capacity 5 is too large")


def test_prompters_that_do_not_go_with_the_network(tmp_path: Path) -> None:
    toy = str(write_toy(tmp_path / "toy").path)
    for fine in ({"prompter": toy}, {"prompter": "grabcut"}, {"prompter": "hf://org/sam"}):
        assert not wrong(tmp_path, {**STREAM, **fine})
    (told,) = wrong(tmp_path, {**STREAM, "prompter": "demo"})
    assert told.startswith("a: its prompter: The network ") and "takes no clicks" in told
    (told,) = wrong(tmp_path, {**STREAM, "bundle": toy}, prompter=toy)
    assert told.startswith("a: its prompter: The network toy takes clicks and boxes itself")
    (told,) = wrong(tmp_path, {**STREAM, "prompter": "no-bundle-here"})
    assert told.startswith("a: its prompter: ")


def test_mistakes_of_the_file_are_found(tmp_path: Path) -> None:
    assert wrong(tmp_path, STREAM, STREAM) == ["a: two streams have this name"]
    assert wrong(tmp_path, sessions=None)[0].startswith("sessions: A fleet keeps")
    two = [{**STREAM, "name": name, "cpus": 1.0} for name in "ab"]
    assert "fleet: most_workers is 1" in wrong(tmp_path, *two, fleet={"most_workers": 1})
    assert wrong(tmp_path, fleet={"worker": {"cpus": 0.0}, "stream": {"cpus": 0.0}}) == [
        "fleet.worker: a worker needs cores or a GPU"
    ]
    (tmp_path / "prompt.png").touch()
    away = {**STREAM, "prompt": "README.md"}
    assert "write the whole path" in wrong(tmp_path, away, fleet={"address": "head:6379"})[0]


@pytest.mark.parametrize(
    ("cpus", "worker", "room"),
    [
        (8, {"cpus": 4.0}, None),
        (7, {"cpus": 4.0}, "7 cores, room for 1 worker of 4 cores: the other streams would wait"),
        (3, {"cpus": 4.0}, "3 cores, room for 0 workers of 4 cores: nothing would run"),
        (8, {"cpus": 1.0, "gpus": 0.4}, "8 cores and 1 GPU, room for 2 workers of 1 core and 0.4 GPUs"),
        (8, {"cpus": 1.0, "gpus": 0.25}, None),
        (8, {"cpus": 0.0, "gpus": 1.0}, "8 cores and 1 GPU, room for 1 worker of 0 cores and 1 GPU"),
    ],
)
def test_more_than_the_machine_has_is_refused(
    tmp_path: Path, cpus: int, worker: dict[str, float], room: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would wait for what never comes; a part of a GPU lies on one GPU. Of a cluster nothing is known."""
    monkeypatch.setattr("ermu.devices.cuda.device_count", lambda: 1)
    share = {"cpus": worker["cpus"], "gpus": worker.get("gpus", 0.0)}
    streams = [
        {**STREAM, "name": name, **share} for name in ("a", "b", "c")[: 2 if "gpus" not in worker else 3]
    ]
    told = wrong(tmp_path, *streams, cpus=cpus, fleet={"worker": worker})
    assert [room in each for each in told] == [True] if room else not told
    assert not wrong(tmp_path, *streams, cpus=cpus, fleet={"worker": worker, "address": "head:6379"})


def test_what_is_open_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)

    def network(**fleet: Any) -> str:
        return " ".join(each.text for each in found(tmp_path, fleet=fleet) if each.about == "network")

    assert "every address" in network() and "asks for a token" in network()
    open_to_all = network(address="head:6379")
    assert "whoever reaches a port runs code there" in open_to_all and "its node's own address" in open_to_all
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert "whoever reaches a port" not in network(address="head:6379")
