"""One exposition of many workers': each family once, every sample with its worker."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="extra `serve`")

from prometheus_client.parser import text_string_to_metric_families

from ermu.fleet.front.metrics import PLAIN, exposition

TOLD = """# HELP ermu_frames_total Frames segmented.
# TYPE ermu_frames_total counter
ermu_frames_total{stream="%s"} %d
# HELP ermu_stage_seconds Time that a stage takes a frame.
# TYPE ermu_stage_seconds histogram
ermu_stage_seconds_bucket{le="0.1",stream="%s"} 2
ermu_stage_seconds_bucket{le="+Inf",stream="%s"} 3
ermu_stage_seconds_count{stream="%s"} 3
ermu_stage_seconds_sum{stream="%s"} 0.25
"""


def stream(name: str, standing: str, **counts: int) -> dict[str, Any]:
    known = {"moves": 0, "frames_lost": 0, "frames_again": 0, "strikes": 0}
    return {"name": name, "standing": standing, **known, **counts}


def test_workers_are_merged_and_the_fleet_has_figures_of_its_own() -> None:
    told = {"w1": TOLD % ("a", 7, *"aaaa"), "w2": TOLD % ("b", 9, *"bbbb")}
    streams = [stream("a", "placed", moves=2, frames_lost=31), stream("b", "placed"), stream("c", "waiting")]
    workers = [{"name": name, "free": {"cpus": 0.5, "gpus": 0.0}} for name in told]
    status = {"streams": streams, "workers": workers, "workers_lost": 1}
    text, kind = exposition(status, told, PLAIN)
    assert kind.startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    assert text.decode().count("# TYPE ermu_frames_total") == 1

    def values(name: str, sample: str, *labels: str) -> dict[Any, float]:
        found = (each for each in families[name].samples if each.name == sample)
        return {tuple(each.labels[label] for label in labels): each.value for each in found}

    of = values("ermu_frames", "ermu_frames_total", "stream", "worker")
    assert of == {("a", "w1"): 7.0, ("b", "w2"): 9.0}
    buckets = values("ermu_stage_seconds", "ermu_stage_seconds_bucket", "stream", "worker", "le")
    assert buckets[("b", "w2", "0.1")] == 2.0 and buckets[("a", "w1", "+Inf")] == 3.0
    assert values("ermu_fleet_moves", "ermu_fleet_moves_total", "stream")[("a",)] == 2.0
    assert values("ermu_fleet_frames_lost", "ermu_fleet_frames_lost_total", "stream")[("a",)] == 31.0
    standing = values("ermu_fleet_streams", "ermu_fleet_streams", "standing")
    assert standing == {("placed",): 2.0, ("waiting",): 1.0, ("quarantined",): 0.0}
    assert values("ermu_fleet_workers", "ermu_fleet_workers") == {(): 2.0}
