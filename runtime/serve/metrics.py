"""Figures for Prometheus, in its text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.sources.reader import StreamState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_QUANTILES = {"p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99"}

Sample = tuple[dict[str, str], float]


def metrics(streams: Mapping[str, ServedStream]) -> str:
    """Every stream's figures; names begin with `ermu_`."""
    infos = {name: stream.info() for name, stream in streams.items()}
    parts = [
        _family("frames_total", "counter", "Frames segmented.", _each(infos, "frames")),
        _family(
            "frames_dropped_total", "counter", "Frames that a newer one replaced.", _each(infos, "dropped")
        ),
        _family("reconnects_total", "counter", "Connections opened again.", _each(infos, "reconnects")),
        _family("restarts_total", "counter", "Memories begun anew.", _each(infos, "restarts")),
        _family("fps_in", "gauge", "Frames a second received.", _each(infos, "fps_in")),
        _family("fps_out", "gauge", "Frames a second segmented.", _each(infos, "fps_out")),
        _family("staleness_seconds", "gauge", "Since the newest frame.", _each(infos, "staleness_seconds")),
        _family("viewers", "gauge", "Viewers of the page's video.", _each(infos, "viewers")),
        _family("stream_state", "gauge", "1 for the state that the stream is in.", _states(infos)),
        _family("objects", "gauge", "Objects by state.", _objects(streams)),
        _family("memory_frames", "gauge", "Memory frames held by a group.", _held(streams)),
        _family("evictions_total", "counter", "Memory frames evicted.", _evictions(streams)),
        _family("stage_milliseconds", "gauge", "Recent percentiles of a stage.", _stages(infos)),
        _family("sink_dropped_total", "counter", "Results a sink was too slow for.", _sinks(infos)),
    ]
    return "".join(parts)


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP ermu_{name} {text}", f"# TYPE ermu_{name} {kind}"]
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"ermu_{name}{{{shown}}} {value:g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _each(infos: Mapping[str, Any], field: str) -> list[Sample]:
    return [({"stream": name}, info[field]) for name, info in infos.items()]


def _states(infos: Mapping[str, Any]) -> list[Sample]:
    return [
        ({"stream": name, "state": state.value}, float(info["state"] == state.value))
        for name, info in infos.items()
        for state in StreamState
    ]


def _objects(streams: Mapping[str, ServedStream]) -> list[Sample]:
    return [
        ({"stream": name, "state": state.value}, count)
        for name, stream in streams.items()
        for state, count in Counter(s.state for s in stream.pipeline.objects.sightings).items()
    ]


def _held(streams: Mapping[str, ServedStream]) -> list[Sample]:
    return [
        ({"stream": name, "group": str(group["group"])}, len(group["held"]))
        for name, stream in streams.items()
        for group in stream.pipeline.memory_history.as_json()
    ]


def _evictions(streams: Mapping[str, ServedStream]) -> list[Sample]:
    return [({"stream": name}, stream.pipeline.memory_history.evictions) for name, stream in streams.items()]


def _stages(infos: Mapping[str, Any]) -> list[Sample]:
    return [
        ({"stream": name, "stage": stage, "quantile": quantile}, summary[field])
        for name, info in infos.items()
        for stage, summary in info["milliseconds"].items()
        for field, quantile in _QUANTILES.items()
        if field in summary
    ]


def _sinks(infos: Mapping[str, Any]) -> list[Sample]:
    return [
        ({"stream": name, "sink": sink["name"]}, sink["dropped"])
        for name, info in infos.items()
        for sink in info["sinks"]
    ]
