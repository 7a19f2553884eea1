"""Figures for Prometheus, through its own client library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ermu.errors import ErmuError
from ermu.runtime.results import ObjectState
from ermu.runtime.serve.access.connections import Connections
from ermu.runtime.serve.operation.readiness import reasons_against
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.sinks.feeder import SinkFeeder, SinkState
from ermu.runtime.sources.reader import StreamState
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.timing.statistics import BOUNDS, Histogram
from ermu.version import __version__

_LE = (*(f"{bound / 1e3:g}" for bound in BOUNDS), "+Inf")

Streams = Mapping[str, ServedStream]
Labelled = tuple[tuple[str, ...], float]
Read = Callable[[Pipeline], float]

_COUNTERS: dict[str, tuple[str, Read]] = {
    "frames": ("Frames segmented.", lambda p: p.frames),
    "frames_received": ("Frames that the source delivered.", lambda p: p.reader.received),
    "frames_dropped": ("Frames that a newer one replaced.", lambda p: p.reader.dropped),
    "reconnects": ("Connections opened again.", lambda p: p.reader.reconnects),
    "restarts": ("Memories begun anew.", lambda p: p.restarts),
    "device_losses": ("Times that the device was lost.", lambda p: len(p.tracker.device_losses)),
    "evictions": ("Memory frames evicted.", lambda p: p.memory_history.evictions),
}
_GAUGES: dict[str, tuple[str, Read]] = {
    "staleness_seconds": ("Since the newest frame.", lambda p: p.reader.staleness),
    "paused": ("1 while the stream is held.", lambda p: p.paused),
}


def exposition(
    streams: Streams, refused: Mapping[int, int], connections: Connections | None, accepted: str
) -> tuple[bytes, str]:
    """Every figure; names begin with `ermu_`, or `process_` for what Linux tells of the process.

    Args:
        streams: By name.
        refused: Requests that were refused, by status.
        connections: The server's; None outside one.
        accepted: The request's `Accept` header, which chooses between Prometheus' formats.

    Returns:
        The text and its media type.
    """
    registry = CollectorRegistry()
    registry.register(_Figures(streams, refused, connections))
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accepted)
    text: bytes = encode(registry)
    return text, kind


class _Figures(Collector):
    def __init__(self, streams: Streams, refused: Mapping[int, int], connections: Connections | None) -> None:
        self._streams, self._refused, self._connections = streams, refused, connections

    def collect(self) -> Iterable[Metric]:
        yield from _of_streams(self._streams)
        yield from _of_sinks(self._streams)
        yield from _of_the_server(self._refused, self._connections)
        yield _gauge("device_memory_bytes", "Memory of a GPU.", ("device", "kind"), _memory(self._streams))


def _of_streams(streams: Streams) -> Iterator[Metric]:
    pipelines = {name: stream.pipeline for name, stream in streams.items()}
    for name, (text, read) in _COUNTERS.items():
        yield _counter(name, text, ("stream",), (((n,), read(p)) for n, p in pipelines.items()))
    for name, (text, read) in _GAUGES.items():
        yield _gauge(name, text, ("stream",), (((n,), read(p)) for n, p in pipelines.items()))
    ready = (((name,), float(not reasons_against(stream))) for name, stream in streams.items())
    yield _gauge("ready", "1 while the stream flows and its sinks write.", ("stream",), ready)
    viewers = (((name,), stream.broadcast.viewers) for name, stream in streams.items())
    yield _gauge("viewers", "Viewers of the page's video.", ("stream",), viewers)
    labels, states = ("stream", "state"), "1 for the state that the stream is in."
    yield _gauge("stream_state", states, labels, _states(pipelines))
    yield _gauge("objects", "Objects by state.", labels, _objects(pipelines))
    yield _gauge("memory_frames", "Memory frames held by a group.", ("stream", "group"), _held(pipelines))
    stages = (((n, stage), h) for n, p in pipelines.items() for stage, h in p.timings.histograms().items())
    yield _histogram("stage_seconds", "Time that a stage takes a frame.", ("stream", "stage"), stages)


def _of_sinks(streams: Streams) -> Iterator[Metric]:
    sinks = [(key, feeder) for name, stream in streams.items() for key, feeder in _named(name, stream)]
    labels = ("stream", "sink")
    written = ((key, feeder.written) for key, feeder in sinks)
    dropped = ((key, feeder.dropped) for key, feeder in sinks)
    states = (((*key, s.value), float(feeder.state is s)) for key, feeder in sinks for s in SinkState)
    busy = ((key, feeder.busy_seconds) for key, feeder in sinks)
    yield _counter("sink_written", "Results that a sink has written.", labels, written)
    yield _counter("sink_dropped", "Results that a sink has not taken.", labels, dropped)
    yield _gauge("sink_state", "1 for the state that the sink is in.", (*labels, "state"), states)
    yield _gauge("sink_busy_seconds", "How long it has been writing one result.", labels, busy)
    spread = ((key, feeder.ms.histogram()) for key, feeder in sinks)
    yield _histogram("sink_seconds", "Time that a sink takes a result.", labels, spread)


def _of_the_server(refused: Mapping[int, int], connections: Connections | None) -> Iterator[Metric]:
    counts = (((str(status),), count) for status, count in dict(refused).items())
    yield _counter("refused_requests", "Requests refused, by status.", ("status",), counts)
    if connections is not None:
        kinds = [(("admitted",), connections.admitted), (("waiting",), connections.waiting)]
        yield _gauge("connections", "Connections whose client may ask; others.", ("kind",), kinds)
    yield _gauge("build_info", "The version that runs.", ("version",), [((__version__,), 1)])


def _named(stream: str, served: ServedStream) -> Iterator[tuple[tuple[str, str], SinkFeeder]]:
    """Sinks by stream and name; the second one of a name is called `name-2`."""
    met: Counter[str] = Counter()
    for feeder in served.pipeline.feeders:
        name = feeder.sink.name
        met[name] += 1
        yield (stream, name if met[name] == 1 else f"{name}-{met[name]}"), feeder


def _states(pipelines: Mapping[str, Pipeline]) -> Iterator[Labelled]:
    for name, pipeline in pipelines.items():
        now = pipeline.state
        yield from (((name, state.value), float(state is now)) for state in StreamState)


def _objects(pipelines: Mapping[str, Pipeline]) -> Iterator[Labelled]:
    for name, pipeline in pipelines.items():
        counts = Counter(sighting.state for sighting in pipeline.objects.sightings)
        yield from (((name, state.value), counts[state]) for state in ObjectState)


def _held(pipelines: Mapping[str, Pipeline]) -> Iterator[Labelled]:
    for name, pipeline in pipelines.items():
        for group in pipeline.memory_history.as_json():
            yield (name, str(group["group"])), len(group["held"])


def _memory(streams: Streams) -> Iterator[Labelled]:
    """Of every GPU that streams run on, once."""
    devices = {id(d): d for d in (s.pipeline.segmenter.backend.device for s in streams.values())}
    for device in devices.values():
        with suppress(ErmuError):  # between a fault and the reset there is nobody to ask
            memory = device.memory()
            if memory is not None:
                yield (device.label, "free"), memory[0]
                yield (device.label, "total"), memory[1]


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Labelled]) -> Metric:
    family = CounterMetricFamily(f"ermu_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Labelled]) -> Metric:
    family = GaugeMetricFamily(f"ermu_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(
    name: str, text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(f"ermu_{name}", text, labels=labels)
    for values, spread in samples:
        buckets = list(zip(_LE, spread.counts, strict=True))
        family.add_metric(values, buckets, spread.total / 1e3)
    return family
