"""One set of figures: every worker's, with its name as a label, and the fleet's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from ermu.fleet.tracked import Standing

PLAIN = "text/plain; version=0.0.4"
_SUMS = {
    "moves": "Times that a stream went on in another worker.",
    "frames_lost": "Frames that nobody segmented while a stream moved.",
    "frames_again": "Frames segmented after the snapshot that a stream went on from.",
    "strikes": "Crashes that a stream is to blame for.",
}


def exposition(status: Mapping[str, Any], told: Mapping[str, str], accepted: str) -> tuple[bytes, str]:
    """Every figure of the fleet.

    Args:
        status: As `Fleet.status` has it.
        told: What each worker's own `/metrics` says, as plain text, by worker.
        accepted: The request's `Accept` header.

    Returns:
        The text and its media type.
    """
    registry = CollectorRegistry()
    registry.register(_Figures(status, told))
    encode, kind = choose_encoder(accepted)
    text: bytes = encode(registry)
    return text, kind


class _Figures(Collector):
    def __init__(self, status: Mapping[str, Any], told: Mapping[str, str]) -> None:
        self._status, self._told = status, told

    def collect(self) -> Iterable[Metric]:
        yield from _merged(self._told)
        yield from _own(self._status)


def _merged(told: Mapping[str, str]) -> Iterator[Metric]:
    """The workers' families, each once, with samples of all."""
    families: dict[str, Metric] = {}
    for worker, text in told.items():
        for family in text_string_to_metric_families(text):
            kept = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            kept.samples += [
                sample._replace(labels={**sample.labels, "worker": worker}) for sample in family.samples
            ]
    yield from families.values()


def _own(status: Mapping[str, Any]) -> Iterator[Metric]:
    streams, workers = status["streams"], status["workers"]
    yield GaugeMetricFamily("ermu_fleet_workers", "Workers that live.", value=len(workers))
    yield CounterMetricFamily("ermu_fleet_workers_lost", "Workers lost.", value=status["workers_lost"])
    standing = GaugeMetricFamily("ermu_fleet_streams", "Streams by where they stand.", labels=["standing"])
    for each in Standing:
        standing.add_metric([each.value], sum(stream["standing"] == each.value for stream in streams))
    yield standing
    for name, text in _SUMS.items():
        family = CounterMetricFamily(f"ermu_fleet_{name}", text, labels=["stream"])
        for stream in streams:
            family.add_metric([stream["name"]], stream[name])
        yield family
    for kind in ("cpus", "gpus"):
        free = GaugeMetricFamily(
            f"ermu_fleet_free_{kind}", "What streams leave of a worker.", labels=["worker"]
        )
        for worker in workers:
            free.add_metric([worker["name"]], worker["free"][kind])
        yield free
