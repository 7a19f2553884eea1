"""The JSON API on a real server: every call, and what schemathesis makes of its description."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.routing import Route

from ermu.errors import PromptError
from ermu.registries import BACKENDS, POLICIES
from ermu.runtime.images.palette import PALETTE
from ermu.runtime.images.prompter import Box
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.serve.openapi import openapi
from ermu.runtime.sources.kinds.network import NetworkSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from tests.runtime.conftest import free_port, until
from tests.runtime.serve.conftest import SCENE, Access, Broadcast, Server, Serving, create_app, served

Serve = Callable[..., Serving]
Segmenters = Callable[..., Segmenter]


def png(label: np.ndarray, mode: str = "P") -> bytes:
    image = Image.fromarray(label)
    if mode == "P":
        image.putpalette(PALETTE.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_objects_are_added_renamed_and_removed(serve: Serve) -> None:
    serving = serve()
    with httpx.Client(base_url=serving.url) as client:
        objects = "/api/streams/0/objects"
        shot = client.get("/streams/0/frame.jpg")
        assert shot.content[:2] == b"\xff\xd8"
        frame = int(shot.headers["x-ermu-frame"])
        until(lambda: False, 0.3)
        added = client.post(objects, json={"box": [20, 20, 80, 90], "name": "ball", "frame": frame})
        assert (added.status_code, added.json()) == (201, {"ids": [1]})
        assert client.post(objects, json={"points": [{"x": 100, "y": 60}]}).json() == {"ids": [2]}
        label = np.zeros((120, 160), np.uint8)
        label[10:30, 10:30], label[60:90, 100:140] = 40, 41
        uploaded = client.post(objects, content=png(label), headers={"content-type": "image/png"})
        assert uploaded.json() == {"ids": [40, 41]}
        listed = client.get(objects).json()["objects"]
        assert [(o["id"], o["name"]) for o in listed] == [
            (1, "ball"), (2, "object 2"), (40, "object 40"), (41, "object 41"),
        ]  # fmt: skip
        assert client.patch(f"{objects}/2", json={"name": "Käse <b>"}).json()["name"] == "Käse <b>"
        assert client.delete(f"{objects}/1").status_code == 204
        assert client.delete(f"{objects}/1").status_code == 404
        assert [o["id"] for o in client.get(objects).json()["objects"]] == [2, 40, 41]
        assert client.post(objects, json={"box": [1, 1, 50, 50]}).json() == {"ids": [3]}


def test_memory_shows_what_is_held_and_why_a_frame_left(serve: Serve) -> None:
    serving = serve()
    with httpx.Client(base_url=serving.url) as client:
        client.post("/api/streams/0/objects", json={"box": [20, 20, 80, 90]})

        def evicted() -> bool:
            return bool(client.get("/api/streams/0/memory").json()["groups"][0]["evictions"])

        assert until(evicted, 20)
        memory = client.get("/api/streams/0/memory").json()
        group = memory["groups"][0]
        assert memory["capacity"] == 4 and group["ids"] == [1] and len(group["held"]) == 4
        first = group["evictions"][0]
        assert first["frame"] not in [entry["frame"] for entry in group["held"]]
        assert first["at"] > first["frame"] and "lowest score" in first["reason"]
        scored = [entry for entry in group["held"] if entry["relevance"] is not None]
        assert len(scored) >= 3


def test_control(serve: Serve) -> None:
    serving = serve()
    with httpx.Client(base_url=serving.url) as client:

        def control(**body: str) -> httpx.Response:
            return client.post("/api/streams/0/control", json=body)

        assert control(action="pause").json()["paused"] is True
        assert control(action="resume").json()["paused"] is False
        assert control(action="policy", policy="fifo").json()["policy"] == "fifo"
        assert control(action="policy", policy="none").status_code == 422
        client.post("/api/streams/0/objects", json={"box": [20, 20, 80, 90]})
        assert control(action="reset").status_code == 200
        assert client.get("/api/streams/0/objects").json() == {"objects": []}


NAMES = [
    "",
    " ",
    "\u00a0\u3000",
    "a\x00b",
    "line\nend",
    "\u202egnp.exe",
    "a\u200bb",
    "\u200d",
    "\ufeff",
    "x" * 65,
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_that_nobody_can_see_or_trust(serve: Serve, name: str) -> None:
    """Controls, direction marks, and what has no width: an id cannot be dressed up as another."""
    serving = serve()
    with httpx.Client(base_url=serving.url) as client:
        objects = "/api/streams/0/objects"
        assert client.post(objects, json={"box": [20, 20, 80, 90], "name": name}).status_code == 422
        assert client.post(objects, json={"box": [20, 20, 80, 90]}).status_code == 201
        refused = client.patch(f"{objects}/1", json={"name": name})
        assert refused.status_code == 422 and refused.json()["problem"].startswith("name")
        for good in ("Käse", "\u0646\u06cc\u200c\u062e", "👩\u200d🚒", "a b", " door "):
            assert client.patch(f"{objects}/1", json={"name": good}).json()["name"] == good
    if 0 < len(name) <= 64:
        with pytest.raises(PromptError, match="cannot be called"):
            serving.streams["0"].pipeline.add_objects(Box(1, 1, 50, 50), name=name)
        assert serving.streams["0"].pipeline.objects.ids == [1]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"box": [1, 2, 3]}', "application/json", 422),
        (b'{"box": ["1", 2, 3, 4]}', "application/json", 422),
        (b'{"box": [NaN, 2, 3, 4]}', "application/json", 422),
        (b'{"box": [1, 2, 30, 40], "admin": true}', "application/json", 422),
        (b'{"box": [1, 2, 30, 40], "frame": 99999}', "application/json", 409),
        (b'{"box": [400, 400, 500, 500]}', "application/json", 409),
        (b'{"points": []}', "application/json", 422),
        (b"not a png", "image/png", 409),
        (png(np.ones((8, 8), np.uint8)), "image/png", 409),
        (png(np.zeros((120, 160), np.uint8)), "image/png", 409),
        (png(np.full((120, 160, 3), (10, 20, 30), np.uint8), "RGB"), "image/png", 409),
        (b"box=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_bad_bodies_are_refused_with_a_reason(serve: Serve, body: bytes, kind: str, status: int) -> None:
    serving = serve()
    answer = httpx.post(f"{serving.url}/api/streams/0/objects", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["problem"] and answer.json()["fix"]
    assert serving.streams["0"].pipeline.objects.ids == []


def test_no_address_reaches_the_file_system(serve: Serve) -> None:
    serving = serve()
    for path in (
        "/page/index.html",
        "/../setup.py",
        "/%2e%2e/pyproject.toml",
        "/style/base.css/..%2f..%2fpage.js",
        "/api/streams/..%2f",
    ):
        assert httpx.get(serving.url + path).status_code == 404


def test_passwords_of_a_stream_that_does_not_answer_are_not_shown(
    tiny_segmenter: Segmenters,
) -> None:
    url = f"rtsp://admin:hunter2@127.0.0.1:{free_port()}/live?token=hunter3"
    segmenter = tiny_segmenter()
    broadcast = Broadcast()
    pipeline = Pipeline(segmenter, NetworkSource(url), [broadcast])
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    worker = threading.Thread(target=scheduler.run)
    worker.start()
    try:
        streams = served([pipeline], [broadcast])
        with Server(create_app(streams), port=0) as server, httpx.Client(base_url=server.url) as client:
            assert until(lambda: client.get("/api/streams/0").json()["error"] is not None)
            shown = [client.get(path).text for path in ("/", "/api/streams", "/metrics", "/healthz")]
            assert client.get("/api/streams/0").json()["state"] == "connecting"
            told = [
                client.post("/api/streams/0/objects", json={"box": [1, 2, 30, 40]}),
                client.get("/api/streams/0/session"),
                client.get("/streams/0/frame.jpg"),
            ]
            for each in told:  # not that it has not been started, which is Python's
                assert each.status_code == 409 and "nothing listens at 127.0.0.1" in each.json()["problem"]
            shown += [each.text for each in told]
    finally:
        scheduler.stop()
        worker.join(5)
    assert "127.0.0.1" in shown[1]
    assert not any("hunter" in text for text in shown)


def test_choices_come_from_the_registries(serve: Serve) -> None:
    serving = serve()
    with httpx.Client(base_url=serving.url) as client:
        answer = client.get("/api/streams").json()
        offered = [policy["name"] for policy in answer["policies"]]
        assert offered == [name for name, policy in POLICIES.items() if policy.bounded]
        assert all(policy["help"] for policy in answer["policies"])
        assert answer["streams"][0]["backend"] == "onnxruntime"
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        assert schemas["PolicySwitch"]["properties"]["policy"]["enum"] == offered
        assert schemas["StreamInfo"]["properties"]["backend"]["enum"] == BACKENDS.names()
        page = client.get("/").text
        assert not any(f">{name}<" in page for name in offered)


def test_the_description_has_every_route_of_the_api() -> None:
    """What is served and what /openapi.json says: the same paths, the same methods."""
    routes = [route for route in create_app({}).routes if isinstance(route, Route)]
    answered = {
        (re.sub(r":int", "", route.path), method.lower())
        for route in routes
        for method in route.methods or ()
        if route.path.startswith("/api/") and method != "HEAD"
    }
    paths = openapi([], "0", calls=True)["paths"]
    described = {(path, method) for path, item in paths.items() for method in item if method != "parameters"}
    assert described == answered


def test_schemathesis_finds_no_fault(serve: Serve) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="property tests of the API")
    from hypothesis import HealthCheck, Phase, given, settings

    serving = serve(access=Access(rate=1e6, burst=1e6))
    schema = schemathesis.openapi.from_url(f"{serving.url}/openapi.json")
    calls = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate], derandomize=True,
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def check(case: object) -> None:
            nonlocal calls
            calls += 1
            case.call_and_validate()  # type: ignore[attr-defined]

        check()
    assert calls >= 50


def test_a_session_is_given_and_taken(serve: Serve) -> None:
    serving, binary = serve(scenes=(SCENE, SCENE)), {"content-type": "application/octet-stream"}
    with httpx.Client(base_url=serving.url, timeout=30) as client:
        one, other = ("/api/streams/0", "/api/streams/1")
        client.post(f"{one}/objects", json={"box": [20, 20, 80, 90], "name": "ball"})
        given = client.get(f"{one}/session")
        assert given.status_code == 200 and given.headers["content-type"] == binary["content-type"]
        assert 'filename="0.ermu"' in given.headers["content-disposition"]
        taken = client.put(f"{other}/session", content=given.content, headers=binary)
        assert taken.status_code == 200 and taken.json()["name"] == "1"
        listed = client.get(f"{other}/objects").json()["objects"]
        assert [(each["id"], each["name"]) for each in listed] == [(1, "ball")]
        for content, problem in ((b"PK", "not a session"), (given.content[:-99], "truncated")):
            refused = client.put(f"{other}/session", content=content, headers=binary)
            assert (refused.status_code, problem in refused.json()["problem"]) == (409, True)
            assert refused.json()["problem"].startswith("The body ") and refused.json()["fix"]
        assert client.put(f"{other}/session", json={}).status_code == 415
        assert len(client.get(f"{other}/objects").json()["objects"]) == 1


def test_a_session_may_be_larger_than_other_bodies(serve: Serve) -> None:
    serving = serve(access=Access(max_body=1000, max_session=50_000))
    with httpx.Client(base_url=serving.url, timeout=30) as client:
        kind = {"content-type": "application/octet-stream"}
        path = "/api/streams/0/session"
        assert client.put(path, content=bytes(40_000), headers=kind).status_code == 409
        assert client.put(path, content=bytes(60_000), headers=kind).status_code == 413
        assert client.post("/api/streams/0/objects", content=bytes(2000)).status_code == 413
