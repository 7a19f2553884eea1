"""What OpenVINO compiled, kept for the next process: real compiler, real files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu import Segmenter
from ermu.runtime.backends import compiled_models
from ermu.runtime.backends.compiled_models import CompiledModels
from ermu.runtime.backends.libraries.openvino import process_core
from ermu.runtime.backends.trial import GRAPH
from tests.runtime.conftest import boxes

openvino = pytest.importorskip("openvino", reason="extra `openvino`")

OPTIONS = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}


class Compiler:
    """Compiles the tiny graph of `ermu doctor`, and counts how often."""

    def __init__(self, folder: Path) -> None:
        self.core, self.count = process_core(), 0
        self.models = CompiledModels(self.core, folder)

    def get(self, of: str) -> Any:
        return self.models.get({"of": of}, OPTIONS, self._make)

    def _make(self) -> Any:
        self.count += 1
        return self.core.compile_model(self.core.read_model(GRAPH), "CPU", OPTIONS)


def outputs(compiled: Any) -> np.ndarray:
    (result,) = compiled([np.full(4, 0.5, np.float32)]).values()
    return result


def test_another_process_finds_what_one_compiled(tmp_path: Path) -> None:
    first, second = Compiler(tmp_path / "made" / "later"), Compiler(tmp_path / "made" / "later")
    made = outputs(first.get("a"))
    np.testing.assert_array_equal(outputs(second.get("a")), made)
    assert (first.count, second.count) == (1, 0)
    second.get("b")
    assert second.count == 1, "another graph is another file"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="cut"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="a bit"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: compiled_models._sum(b"no model") + b"no model", id="another thing"),
    ],
)
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    before = outputs(Compiler(tmp_path).get("a"))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    compiler = Compiler(tmp_path)
    np.testing.assert_array_equal(outputs(compiler.get("a")), before)
    assert compiler.count == 1
    assert list(tmp_path.iterdir()) == [file] and len(file.read_bytes()) == len(whole)


def test_without_a_folder_nothing_is_kept_and_all_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    compiler = Compiler(tmp_path / "file" / "below")
    with caplog.at_level(logging.INFO, "ermu.backends"):
        outputs(compiler.get("a"))
    assert "is not kept" in caplog.text


def test_those_used_longest_ago_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler(tmp_path)
    compiler.get("a")
    (a,) = tmp_path.iterdir()
    compiler.get("b")
    (b,) = set(tmp_path.iterdir()) - {a}
    os.utime(a, (1, 1))
    os.utime(b, (2, 2))
    compiler.get("a")  # used after b
    monkeypatch.setattr(compiled_models, "MOST_BYTES", 2 * a.stat().st_size + 100)
    compiler.get("c")
    assert a in tmp_path.iterdir() and b not in tmp_path.iterdir()
    assert compiler.count == 3


def test_label_maps_are_the_same_from_kept_graphs(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second segmenter compiles nothing; ONNX Runtime has never seen the cache."""
    monkeypatch.setenv("ERMU_CACHE", str(tmp_path))
    frames = np.random.default_rng(5).integers(0, 256, (6, 49, 65, 3), np.uint8)

    def followed(backend: str) -> np.ndarray:
        with Segmenter(tiny_bundle, backend=backend, threads=1) as segmenter:
            segmenter.start(frames[0], boxes(49, 65, id3=(5, 5, 30, 30), id7=(35, 10, 60, 40)))
            return np.stack([segmenter.step(frame).label for frame in frames[1:]])

    compiled = followed("openvino")
    written = {file: file.stat().st_ino for file in tmp_path.rglob("*.blob")}
    assert written
    np.testing.assert_array_equal(followed("openvino"), compiled)
    assert {file: file.stat().st_ino for file in tmp_path.rglob("*.blob")} == written
    assert (followed("onnxruntime") == compiled).mean() > 0.999
