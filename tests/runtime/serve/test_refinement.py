"""Corrections over the API, on a real server."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import numpy as np
import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Serving
from tests.runtime.serve.test_api import png

Serve = Callable[..., Serving]
OBJECT = "/api/streams/0/objects/1"
PNG = {"content-type": "image/png"}
WIDE = [10, 10, 150, 110]  # something stands out in it on every frame of the scene


def mask(x0: int, y0: int, x1: int, y1: int, value: int = 255) -> bytes:
    label = np.zeros((120, 160), np.uint8)
    label[y0:y1, x0:x1] = value
    return png(label)


def begun(client: httpx.Client) -> int:
    """Follows an object, looks at a picture, and stops the stream some frames later; the picture's number."""
    client.post("/api/streams/0/objects", json={"box": [20, 20, 80, 90]})
    added = client.get("/api/streams/0").json()["frame"]
    assert until(lambda: client.get("/api/streams/0").json()["frame"] > added)
    looked_at = int(client.get("/streams/0/frame.jpg").headers["x-ermu-frame"])
    assert until(lambda: client.get("/api/streams/0").json()["frame"] > looked_at + 2)
    assert client.post("/api/streams/0/control", json={"action": "pause"}).json()["paused"]
    assert until(lambda: _stands(client))
    return looked_at


def _stands(client: httpx.Client) -> bool:
    """Whether the frame that was under way when the stream was paused has come."""
    frame = client.get("/api/streams/0").json()["frame"]
    until(lambda: False, 0.5)
    return bool(client.get("/api/streams/0").json()["frame"] == frame)


def test_an_object_is_corrected_and_the_corrections_are_undone(serve: Serve) -> None:
    with httpx.Client(base_url=serve().url) as client:
        begun(client)
        areas = [client.get("/api/streams/0/objects").json()["objects"][0]["area"]]
        answers = [
            client.post(f"{OBJECT}/refine", content=mask(30, 40, 70, 60), headers=PNG),
            client.post(f"{OBJECT}/refine", json={"box": WIDE}),
            client.post(f"{OBJECT}/refine", json={"points": [{"x": 100, "y": 60}]}),
        ]
        for answer in answers:
            assert answer.status_code == 200
            assert (answer.json()["id"], answer.json()["state"]) == (1, "visible")
            areas.append(answer.json()["area"])
        assert areas[1] == 800
        assert client.get("/api/streams/0/objects").json()["objects"][0] == answers[-1].json()
        for area in (areas[2], areas[1], areas[0]):
            answer = client.post(f"{OBJECT}/undo")
            assert (answer.status_code, answer.json()["area"]) == (200, area)
        answer = client.post(f"{OBJECT}/undo")
        assert answer.status_code == 409 and "No correction of object 1" in answer.json()["problem"]


def test_a_correction_may_be_drawn_on_a_recent_picture(serve: Serve) -> None:
    with httpx.Client(base_url=serve().url) as client:
        looked_at = begun(client)
        for body in ({"content": mask(30, 40, 70, 60), "headers": PNG, "params": {"frame": looked_at}},
                     {"json": {"box": WIDE, "frame": looked_at}}):  # fmt: skip
            answer = client.post(f"{OBJECT}/refine", **body)
            assert answer.status_code == 200, answer.text
            held = client.get("/api/streams/0/memory").json()["groups"][0]["held"]
            assert looked_at in [entry["frame"] for entry in held]
            assert client.post(f"{OBJECT}/undo").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("1/refine", {"json": {"box": [1, 2, 3]}}, 422),
        ("1/refine", {"json": {"box": [1, 2, 30, 40], "name": "cat"}}, 422),
        ("1/refine", {"json": {"box": [1, 2, 30, 40], "frame": 99999}}, 409),
        ("1/refine", {"json": {"points": []}}, 422),
        ("1/refine", {"json": {"points": [{"x": 500, "y": 3}]}}, 409),
        ("1/refine", {"json": {"box": [50, 50, 10, 10]}}, 409),
        ("1/refine", {"content": mask(0, 0, 0, 0), "headers": PNG}, 409),
        ("1/refine", {"content": mask(3, 3, 9, 9), "headers": PNG, "params": {"frame": "x"}}, 422),
        ("1/refine", {"content": b"box=1"}, 415),
        ("9/refine", {"json": {"box": [1, 2, 30, 40]}}, 404),
        ("9/undo", {}, 404),
    ],
)
def test_bad_corrections_are_refused_with_a_reason(
    serve: Serve, path: str, body: dict[str, object], status: int
) -> None:
    with httpx.Client(base_url=serve().url) as client:
        begun(client)
        before = client.get("/api/streams/0/objects").json()
        answer = client.post(f"/api/streams/0/objects/{path}", **body)  # type: ignore[arg-type]
        assert (answer.status_code, bool(answer.json()["problem"])) == (status, True)
        assert answer.json()["fix"]
        assert client.get("/api/streams/0/objects").json() == before
