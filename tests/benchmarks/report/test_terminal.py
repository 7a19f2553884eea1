"""A report on a terminal of 80 columns."""

from __future__ import annotations

import io

from rich.console import Console

from ermu.benchmarks.report.terminal import print_report
from tests.benchmarks.reports import STAGES, report


def test_every_figure_is_there_in_80_columns() -> None:
    """Ours at 96 ms, torch at 1,480: all figures of a row, the ratio that counts, why not to keep them."""
    kept = report(STAGES, torch_ms=1480.0)
    names = ("torch-published", "torch-compile", "openvino")
    peers = dict.fromkeys(names, kept.peers["torch-published"])
    kept = kept.model_copy(
        update={
            "peers": peers,
            "speedup": dict.fromkeys(peers, 15.42),
            "agreement": dict.fromkeys(peers, 0.9995),
            "same_evictions": {**dict.fromkeys(peers, True), "openvino": False},
            "accuracy": {"ours": 0.912, **dict.fromkeys(peers, 0.908)},
            "others_cores": 1.5,
        }
    )
    printed = io.StringIO()
    print_report(kept, Console(file=printed, width=80))
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines[3:])) <= 80
    rows = {tuple(line.split()[:2]): line.split() for line in lines}
    ours, published = rows["ours", "fp32"], rows["torch-published", "fp32"]
    assert ours == ["ours", "fp32", "96.0", "96.0", "96.0", "96.0", "0.912"]
    expected = ["torch-published", "fp32", "1480", "1480", "1480", "1480", "15.42x", "99.95%", "0.908"]
    assert published == expected
    assert "99.95%*" in printed.getvalue() and "* other frames left its memory" in printed.getvalue()
    assert "15.42x the fastest peer that computes in no fewer bits" in printed.getvalue()
    assert "Not for the record: other processes kept 1.5 cores busy." in printed.getvalue()


def test_another_system_is_no_rival_and_its_pixels_are_not_compared() -> None:
    """The longest name and twelve seconds a frame fit; why it has no J stands below."""
    kept = report(STAGES, torch_ms=480.0)
    name = "edgetam-transformers"
    what = "EdgeTAM, random weights (its label maps mean nothing), 1024x1024, 7 memory frames"
    system = kept.peers["torch-published"].model_copy(
        update={"network": "EdgeTAM", "cycle_ms": 12345.0, "description": what, "precision": "bf16"}
    )
    kept = kept.model_copy(
        update={
            "peers": {**kept.peers, name: system},
            "speedup": {**kept.speedup, name: 128.59},
            "accuracy": {"ours": 0.912, "torch-published": 0.912},
        }
    )
    printed = io.StringIO()
    print_report(kept, Console(file=printed, width=80))
    lines = printed.getvalue().splitlines()
    said = f"{name}: {what}"
    assert max(len(line) for line in lines[3:] if line != said) <= 80
    (row,) = (line.split() for line in lines if line.strip().startswith(f"{name} "))
    assert row == [name, "bf16", "12345", "480.0", "480.0", "480.0", "129x"]
    assert said in lines
    rows = [line.split() for line in lines if line.strip().startswith("torch-published ")]
    assert rows[0][-3:] == ["5.00x", "99.95%", "0.912"]
    assert "5.00x the fastest peer that computes in no fewer bits: torch-published" in printed.getvalue()
    assert sum(name in line for line in lines) == 2  # it has no stages
