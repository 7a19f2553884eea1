"""`ermu tune`: backends and precisions really timed on a tiny network, and taken afterwards."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import pytest

from ermu.export.precision.clip import procedural_clip
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.measuring import measure
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.tuning.store import load_measured, measured_path
from tests.cli.commands.test_run import ermu


def test_every_backend_at_every_precision_is_timed_with_a_full_bank(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    bundle, clip = Bundle.load(tiny_bundle), procedural_clip(frames=3, objects=1)
    held, step = dict[str, list[int]](), Segmenter.step

    def noted(self: Segmenter, *given: object, **named: object) -> object:
        """The library itself, ten milliseconds slower in OpenVINO's bf16."""
        name = f"{self.backend.name} {self.bundle.manifest.precision}"
        sleep(0.01 * (name == "openvino bf16"))
        result = step(self, *given, **named)  # type: ignore[arg-type]
        held.setdefault(name, []).append(len(result.memory_frames))
        return result

    monkeypatch.setattr(Segmenter, "step", noted)
    found = measure(bundle, clip.frames, clip.label, clip="a clip", threads=1, turns=2)
    names = {f"{timed.backend} {timed.precision}": timed for timed in found.timed}
    assert {"onnxruntime fp32", "openvino fp32", "openvino bf16"} <= set(names) == set(held)
    assert names["openvino bf16"].frame_ms > 10
    assert names["onnxruntime fp32"].agreement == 1.0
    assert names["openvino fp32"].agreement > 0.99
    capacity = bundle.manifest.memory.capacity
    assert all(counts[-1] == capacity for counts in held.values())


def test_the_command_keeps_what_it_prints_and_it_is_taken(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERMU_CACHE", str(tmp_path))
    done = ermu("tune", tiny_bundle, "--threads", 1, "--turns", 1, "--keep")
    assert done.returncode == 0, done.stderr
    bundle = Bundle.load(tiny_bundle)
    kept = load_measured(bundle, "cpu", 1)
    assert kept is not None and str(measured_path(bundle, "cpu", 1).name) in done.stdout
    fastest = min((t for t in kept.timed if t.precision == "fp32"), key=lambda timed: timed.frame_ms)
    with Segmenter(bundle, threads=1) as segmenter:
        assert segmenter.backend.name == fastest.backend
    inspected = ermu("inspect", tiny_bundle)
    assert "--backend auto" in inspected.stdout
