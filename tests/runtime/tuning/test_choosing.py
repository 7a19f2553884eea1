"""What `auto` takes once backends and precisions have been timed here, and when those times do not count."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from ermu.devices.processor_kind import machine_kind
from ermu.devices.processors import usable_processors
from ermu.runtime.backends.choosing import choose_backend, choose_precision, reasons_for
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.doctor import examine
from ermu.runtime.streams.work.lanes import Lanes
from ermu.runtime.tuning.measured import Measured, Timed, graphs_digest
from ermu.runtime.tuning.store import measured_path, save_measured, versions
from tests.runtime.backends.test_choosing import with_int8

FAR = 0.98  # share of pixels, too few to be taken unasked


@pytest.fixture
def tiny(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    pytest.importorskip("openvino")
    monkeypatch.setenv("ERMU_CACHE", str(tmp_path / "cache"))
    return Bundle.load(tiny_bundle)


def keep(
    bundle: Bundle, *times: tuple[str, str, float, float], threads: int | None = 1, others: float = 0.0
) -> Path:
    """Stores times as if measured: backend, precision, milliseconds a frame and agreement of each."""
    timed = tuple(
        Timed(
            backend=backend,
            precision=precision,
            graphs=graphs_digest(bundle.at_precision(precision)),
            frame_ms=ms,
            agreement=agreement,
        )
        for backend, precision, ms, agreement in times
    )
    path = measured_path(bundle, "cpu", threads)
    save_measured(
        Measured(
            fingerprint=bundle.fingerprint,
            machine=machine_kind(),
            device="cpu",
            threads=threads or usable_processors(),
            versions=versions(),
            clip="a clip",
            others_cores=others,
            timed=timed,
        ),
        path,
    )
    return path


@pytest.mark.parametrize("faster", ["onnxruntime", "openvino"])
def test_the_faster_backend_here_is_taken_whatever_its_rank(tiny: Bundle, faster: str) -> None:
    slower = {"onnxruntime": "openvino", "openvino": "onnxruntime"}[faster]
    keep(tiny, (faster, "fp32", 2.0, 1.0), (slower, "fp32", 3.0, 1.0))
    assert choose_backend(tiny, "auto", "cpu", threads=1) == faster
    assert choose_backend(tiny, slower, "cpu", threads=1) == slower
    assert reasons_for(tiny, "auto", None, "cpu", threads=1) == ["measured here, 2 ms a frame"]


def test_times_of_another_number_of_threads_do_not_count(tiny: Bundle) -> None:
    keep(tiny, ("openvino", "fp32", 2.0, 1.0), ("onnxruntime", "fp32", 3.0, 1.0))
    assert choose_backend(tiny, "auto", "cpu", threads=3) == "onnxruntime"
    assert reasons_for(tiny, "auto", None, "cpu", threads=3) == ["by rank: not measured here for 3 threads"]


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ({"fp32": (9.0, 1.0), "bf16": (5.0, 0.99), "int8": (4.0, FAR)}, "bf16"),
        ({"fp32": (9.0, 1.0), "bf16": (5.0, 0.99), "int8": (4.0, 0.995)}, "int8"),
        ({"fp32": (3.0, 1.0), "bf16": (5.0, 1.0), "int8": (4.0, 1.0)}, "fp32"),
        ({"fp32": (9.0, 1.0), "bf16": (5.0, FAR), "int8": (4.0, FAR)}, "fp32"),
    ],
)
def test_the_fastest_precision_that_keeps_the_pixels(
    tiny: Bundle, times: dict[str, tuple[float, float]], taken: str
) -> None:
    bundle = with_int8(tiny, 1.0)
    keep(bundle, *(("openvino", precision, *each) for precision, each in times.items()))
    assert choose_precision(bundle, "auto", "cpu", threads=1) == taken
    assert choose_precision(bundle, None, "cpu", threads=1) == "fp32"


def test_a_named_backend_has_its_own_fastest_precision(tiny: Bundle) -> None:
    bundle = with_int8(tiny, 1.0)
    slow, fast = ("onnxruntime", "int8", 8.0, 1.0), ("openvino", "int8", 4.0, 1.0)
    keep(bundle, ("onnxruntime", "fp32", 6.0, 1.0), ("openvino", "fp32", 7.0, 1.0), slow, fast)
    assert choose_precision(bundle, "auto", "cpu", threads=1) == "int8"
    assert choose_precision(bundle, "auto", "cpu", backend="onnxruntime", threads=1) == "fp32"


def test_a_precision_built_since_leaves_it_to_the_rank(tiny: Bundle) -> None:
    """As an int8 that nobody has timed would else never be taken."""
    keep(tiny, ("openvino", "fp32", 2.0, 1.0))
    assert choose_precision(with_int8(tiny, 1.0), "auto", "cpu", threads=1) == "int8"


def test_times_of_other_graphs_do_not_count(tiny: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    path = keep(tiny, ("openvino", "fp32", 2.0, 1.0))
    content = json.loads(path.read_text())
    content["timed"][0]["graphs"] = "0" * 64
    path.write_text(json.dumps(content))
    assert _logged(tiny, caplog, "have changed since they were timed")


@pytest.mark.parametrize(
    ("field", "other", "said"),
    [
        ("machine", "another-cpu-9-cores", "the machine"),
        ("versions", {"openvino": "1.0"}, "the installed libraries"),
        ("fingerprint", "0" * 64, "the bundle"),
        ("frames", 3, "is no measurement that can be read"),
    ],
)
def test_a_stale_or_foreign_file_is_left_aside(
    tiny: Bundle, caplog: pytest.LogCaptureFixture, field: str, other: object, said: str
) -> None:
    path = keep(tiny, ("openvino", "fp32", 2.0, 1.0))
    path.write_text(json.dumps({**json.loads(path.read_text()), field: other}))
    assert _logged(tiny, caplog, said)


@pytest.mark.parametrize("content", [b"", b'{"timed": [', b"\xff\xfe\x00", b"[]"])
def test_a_damaged_file_is_left_aside(tiny: Bundle, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    keep(tiny, ("openvino", "fp32", 2.0, 1.0)).write_bytes(content)
    assert _logged(tiny, caplog, "the static order of backends decides")


def test_a_backend_that_is_gone_is_not_taken(tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tiny, ("openvino", "fp32", 2.0, 1.0), ("onnxruntime", "fp32", 3.0, 1.0))
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    assert choose_backend(tiny, "auto", "cpu", threads=1) == "onnxruntime"


def test_doctor_says_which_of_both_decides(tiny: Bundle) -> None:
    def said() -> tuple[str, str]:
        check = next(check for check in examine(tiny.path) if check.name == "auto")
        assert not check.fails
        return check.state, check.found

    assert said() == (
        "missing",
        "not timed on this machine as it is now: the static order of backends decides",
    )
    keep(tiny, ("openvino", "fp32", 2.0, 1.0), ("openvino", "bf16", 1.0, 1.0), threads=None, others=1.5)
    state, found = said()
    assert state == "ok" and "1.5 cores busy" in found
    assert "openvino in fp32, 2 ms a frame; --precision auto: openvino in bf16, 1 ms a frame" in found


def test_every_lane_runs_what_was_timed_for_the_first_ones_share(tiny: Bundle) -> None:
    """Three threads for two lanes are one and two: both take what is fastest with one."""
    keep(tiny, ("openvino", "fp32", 2.0, 1.0), ("onnxruntime", "fp32", 3.0, 1.0), threads=1)
    keep(tiny, ("openvino", "fp32", 3.0, 1.0), ("onnxruntime", "fp32", 2.0, 1.0), threads=2)
    with Lanes(tiny, 2, threads=3) as lanes:
        assert lanes.threads == 1
        assert {lanes.segmenter().backend.name for _ in range(2)} == {"openvino"}


def _logged(bundle: Bundle, caplog: pytest.LogCaptureFixture, said: str) -> bool:
    """Whether the rank decides, and the log says why."""
    logging.getLogger("ermu").propagate = True
    with caplog.at_level(logging.INFO, logger="ermu"):
        assert choose_backend(bundle, "auto", "cpu", threads=1) == "onnxruntime"
    return said in caplog.text
