"""What TensorRT-RTX compiled is there in the next process, and nothing about the file can end a run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ermu.runtime.backends.engine import Engine, LoadedEngine
from ermu.runtime.backends.runtime_cache import RuntimeCache
from tests.runtime.backends.stub_engine import (
    MODULE,
    StubDevice,
    StubRtxEngine,
    StubRuntimeCache,
    StubRuntimeConfig,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "engine.cache"


def _run(path: Path) -> StubRuntimeCache:
    """An engine opened and closed, as a process does; the cache as it was found."""
    device = StubDevice()
    stub = StubRtxEngine(device)
    cache = RuntimeCache(stub, path)
    found = StubRuntimeCache()
    found.compiled = set(cache._cache.compiled)
    loaded = LoadedEngine(stub, "decode", MODULE, "ermu build", cache)
    Engine(loaded, device, device.empty((64,), "u1")).close()  # type: ignore[arg-type]
    return found


def test_the_next_process_finds_the_kernels(path):
    assert _run(path).compiled == set()
    assert path.read_bytes() == b"header\na kernel"
    assert _run(path).compiled == {b"a kernel"}
    assert [file.name for file in path.parent.iterdir()] == ["engine.cache"]


def test_a_file_that_is_up_to_date_is_left_alone(path):
    _run(path)
    written = path.stat()
    _run(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_a_damaged_file_is_replaced(path, caplog):
    path.parent.mkdir()
    path.write_bytes(b"half a hea")
    with caplog.at_level(logging.INFO, "ermu.backends"):
        assert _run(path).compiled == set()
    assert "kernels are compiled again" in caplog.text
    assert _run(path).compiled == {b"a kernel"}


def test_a_folder_that_cannot_be_written_is_told_in_the_log(path, caplog):
    path.parent.write_text("a file where the folder should be")
    with caplog.at_level(logging.INFO, "ermu.backends"):
        _run(path)
    assert "What TensorRT-RTX compiled is not kept" in caplog.text


def test_the_stand_in_has_only_what_the_real_one_has():
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install 'ermu[rtx-build]'")
    pairs = [(StubRuntimeConfig, trt.IRuntimeConfig), (StubRuntimeCache, trt.IRuntimeCache)]
    for ours, theirs in pairs:
        methods = {name for name in vars(ours) if callable(getattr(ours, name)) and name[0] != "_"}
        assert methods and methods <= set(dir(theirs))
    assert hasattr(trt.ICudaEngine, "create_runtime_config")
    assert hasattr(trt.IExecutionContext, "is_stream_capturable")
