"""What /metrics says, read by Prometheus' own parser and by Prometheus."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from ermu.devices.cuda import CudaDevice
from ermu.runtime.serve.operation.metrics import _memory
from tests.devices.conftest import emulated_driver  # noqa: F401
from tests.runtime.conftest import free_port, until
from tests.runtime.serve.conftest import Serving
from tests.support.processes import running

Serve = Callable[..., Serving]
DEPLOY = Path(__file__).parents[4] / "deploy"
RULES = Path(__file__).with_name("alerts_test.yml")
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: apt-get install prometheus")


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values, in the labels' order; none comes twice."""
    found = [
        ((sample.name, *(value for _, value in sorted(sample.labels.items()))), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_figures_of_a_stream(serve: Serve) -> None:
    serving = serve()
    with httpx.Client(base_url=serving.url) as client:
        client.post("/api/streams/0/objects", json={"box": [20, 20, 80, 90]})
        client.get("/streams/0/frame.jpg", headers={"origin": "http://evil.example"})
        told = samples(client.get("/metrics").text)
    assert told["ermu_stream_state", "live", "0"] == told["ermu_ready", "0"] == 1
    assert told["ermu_stream_state", "stale", "0"] == told["ermu_sink_state", "page", "stopped", "0"] == 0
    assert told["ermu_objects", "visible", "0"] + told["ermu_objects", "absent", "0"] == 1
    assert told["ermu_refused_requests_total", "403"] == 1
    assert told["ermu_connections", "admitted"] == 1 and told["ermu_connections", "waiting"] == 0
    assert told["process_resident_memory_bytes",] > 1e6
    assert told["ermu_frames_total", "0"] > 0
    assert told["ermu_sink_written_total", "page", "0"] <= told["ermu_frames_received_total", "0"]


def test_counters_keep_every_digit(serve: Serve) -> None:
    serving = serve()
    reader = serving.streams["0"].pipeline.reader
    reader.reconnects = 12_345_678
    text = httpx.get(f"{serving.url}/metrics").text
    assert samples(text)["ermu_reconnects_total", "0"] == 12_345_678


def test_histograms_add_up(serve: Serve) -> None:
    serving = serve()
    timings = serving.streams["0"].pipeline.timings
    for milliseconds in (0.5, 1.0, 1.1, 99.0, 10_000.0, 60_000.0):
        timings.add({"by_hand": milliseconds})
    told = samples(httpx.get(f"{serving.url}/metrics").text)
    name = "ermu_stage_seconds"
    bucket = f"{name}_bucket"
    counts = {key[1]: value for key, value in told.items() if key[0] == bucket and key[2] == "by_hand"}
    by_bound = {math.inf if bound == "+Inf" else float(bound): count for bound, count in counts.items()}
    bounds = (0.001, 0.0025, 0.05, 0.1, 5.0, 10.0, math.inf)
    assert [by_bound[bound] for bound in bounds] == [
        2,
        3,
        3,
        4,
        4,
        5,
        6,
    ]
    assert told[f"{name}_count", "by_hand", "0"] == 6
    assert told[f"{name}_sum", "by_hand", "0"] == pytest.approx(70.1016)


def test_openmetrics_where_it_is_asked_for(serve: Serve) -> None:
    accept = {"accept": "application/openmetrics-text;version=1.0.0"}
    answer = httpx.get(f"{serve().url}/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "ermu_frames" in {family.name for family in openmetrics_families(answer.text)}


@pytest.mark.usefixtures("emulated_driver")
def test_memory_of_a_gpu_is_told_once_and_a_closed_one_is_passed_over() -> None:
    with CudaDevice() as device:
        backend = SimpleNamespace(device=device)
        pipeline = SimpleNamespace(segmenter=SimpleNamespace(backend=backend))
        streams: Any = {name: SimpleNamespace(pipeline=pipeline) for name in ("yard", "gate")}
        told = dict(_memory(streams))
        free, total = device.memory()
        assert told == {(device.label, "free"): free, (device.label, "total"): total}
    assert list(_memory(streams)) == []


@needs_promtool
def test_promtool_finds_no_fault(serve: Serve) -> None:
    text = httpx.get(f"{serve().url}/metrics").text
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("check", "file"), [("check config", DEPLOY / "prometheus/prometheus.yml"), ("test rules", RULES)]
)
def test_the_alerts(check: str, file: Path) -> None:
    command = [str(PROMTOOL), *check.split(), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[httpx.Client]:
    """Prometheus with the configuration of deploy/, but for the server's address and the pace."""
    given = (DEPLOY / "prometheus/prometheus.yml").read_text()
    for written, here in {"127.0.0.1:8000": target, "15s": "1s"}.items():
        assert written in given
        given = given.replace(written, here)
    (folder / "prometheus.yml").write_text(given)
    shutil.copy(DEPLOY / "prometheus/alerts.yml", folder)
    address = f"127.0.0.1:{free_port()}"
    files = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command = [PROMETHEUS, *files, f"--web.listen-address={address}"]
    client = httpx.Client(base_url=f"http://{address}/api/v1")
    with (folder / "log").open("w") as log, running(command, stdout=log, stderr=log), client:
        yield client


@pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus: apt-get install prometheus")
def test_every_panel_and_alert_has_its_series_in_a_real_prometheus(serve: Serve, tmp_path: Path) -> None:
    serving = serve()
    httpx.post(f"{serving.url}/api/streams/0/objects", json={"box": [20, 20, 80, 90]})
    httpx.get(serving.url, headers={"origin": "http://evil.example"})
    with prometheus(tmp_path, serving.url.removeprefix("http://")) as client:

        def asked(expression: str) -> list[Any]:
            answer = client.get("/query", params={"query": expression})
            assert answer.status_code == 200, f"{expression}: {answer.text}"
            found: list[Any] = answer.json()["data"]["result"]
            return found

        def scraped() -> bool:
            try:
                if client.get("/status/runtimeinfo").status_code != 200:
                    return False
            except httpx.TransportError:
                return False
            return bool(asked('count_over_time(up{job="ermu"}[1m]) >= 4'))

        assert until(scraped, 60)
        assert asked('up{job="ermu"}')[0]["value"][1] == "1"
        for title, expression in expressions():
            if "device_memory" not in expression and 'state="stopped"} == 1' not in expression:
                assert asked(expression), f"{title}: {expression}"
        rules = client.get("/rules").json()["data"]["groups"][0]["rules"]
        assert len(rules) == 10 and {rule["health"] for rule in rules} <= {"ok", "unknown"}
        series = set(client.get("/label/__name__/values").json()["data"])
        alerts = (DEPLOY / "prometheus/alerts.yml").read_text()
        used = set(named(alerts)) - {"ermu_device_memory_bytes"}  # there is no GPU
        assert used <= series


def expressions() -> Iterator[tuple[str, str]]:
    """Every panel's expressions, with the dashboard's variables filled in."""
    for panel in json.loads((DEPLOY / "grafana/ermu.json").read_text())["panels"]:
        for target in panel["targets"]:
            filled = target["expr"].replace("$instance", ".*").replace("$stream", ".*")
            yield panel["title"], filled.replace("$__rate_interval", "1m")


def named(text: str) -> list[str]:
    return re.findall(r"\bermu_[a-z_]+", text)
