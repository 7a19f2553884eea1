"""`ermu run --save-session F`, and `--session F` in another run: label maps as of one run over both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ermu.cli import app
from ermu.runtime.images.labels import read_label_map, write_label_map
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

Command = Callable[..., str]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Folders `whole`, `first` and `then` of ten frames, and the first one's label map."""
    for i, (image, label) in enumerate(Scene(SceneConfig(seed=11, size_hw=(96, 128), frames=10, objects=3))):
        for folder in ("whole", "first" if i < 6 else "then"):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{i:03d}.png"), image)
        if i == 0:
            write_label_map(tmp_path / "prompt.png", label)
    return tmp_path


@pytest.fixture
def run(clip: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(clip)

    def command(*arguments: object, code: int = 0) -> str:
        given = ["run", "--bundle", tiny_bundle, "--threads", 1, "--gap", 2, *arguments]
        done = CliRunner().invoke(app, [*map(str, given)], catch_exceptions=True)
        said = done.output + ("" if done.exception is None else str(done.exception))
        assert bool(done.exit_code) == bool(code), said
        return said

    return command


def test_two_runs_are_one(run: Command, clip: Path) -> None:
    run("--source", "whole", "--prompt", "prompt.png", "--out", "a")
    said = run("--source", "first", "--prompt", "prompt.png", "--out", "b", "--save-session", "s.ermu")
    assert "session -> s.ermu" in said
    run("--source", "then", "--session", "s.ermu", "--out", "c", "--save-session", "s.ermu")
    for i in range(10):
        found = read_label_map(clip / ("b" if i < 6 else "c") / "labels" / f"{i:03d}.png")
        assert np.array_equal(found, read_label_map(clip / "a" / "labels" / f"{i:03d}.png"))


def test_what_does_not_go_together_costs_nothing(run: Command, clip: Path) -> None:
    run("--source", "first", "--prompt", "prompt.png", "--out", "b", "--save-session", "s.ermu")
    before = (clip / "s.ermu").read_bytes()
    refused = {
        "prompts beside it": ("--session", "s.ermu", "--prompt", "prompt.png"),
        "exists already": ("--prompt", "prompt.png", "--save-session", "s.ermu"),
        "2 of --session": ("--session", "s.ermu", "--session", "s.ermu"),
        "There is no session": ("--session", "none.ermu"),
        "is not a session": ("--session", "prompt.png"),
    }
    for problem, arguments in refused.items():
        assert problem in run("--source", "then", "--out", "c", *arguments, code=1)
        assert not (clip / "c").exists()
    assert (clip / "s.ermu").read_bytes() == before


def test_another_stream_begins_with_its_objects(run: Command, clip: Path) -> None:
    run("--source", "first", "--prompt", "prompt.png", "--out", "b", "--save-session", "s.ermu")
    run("--source", "whole", "--prime", "s.ermu", "--out", "c", "--objects", "c.jsonl")
    lines = [json.loads(line) for line in (clip / "c.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(6, 16))  # numbers go on from the session's
    assert {each["id"] for each in lines[0]["objects"]} == {1, 2, 3}
    assert "two kinds of session" in run(
        "--source", "then", "--prime", "s.ermu", "--session", "s.ermu", "--out", "d", code=1
    )
