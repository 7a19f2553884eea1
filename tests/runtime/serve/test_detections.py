"""Boxes from a detector over the API, and boxes one by one, more than there are groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from ermu.assets import DEMO_BUNDLE
from tests.runtime.serve.conftest import Serving, serving

Serve = Callable[..., Serving]
URL = "/api/streams/0/objects"


def test_many_boxes_in_one_call(serve: Serve) -> None:
    with httpx.Client(base_url=serve().url) as client:
        client.post("/api/streams/0/control", json={"action": "pause"})
        seen = [{"box": [20, 20, 80, 90], "name": "ball"}, {"box": [100, 10, 140, 60], "name": "cat"}]
        added = client.post(URL, json={"detections": seen, "mode": "first"})
        assert (added.status_code, added.json()) == (201, {"ids": [1, 2], "followed": [1, 2], "taken": True})
        listed = client.get(URL).json()["objects"]
        assert [(each["name"], each["state"]) for each in listed] == [("ball", "visible"), ("cat", "visible")]
        for each, (x0, y0, x1, y1) in zip(listed, [(20, 20, 80, 90), (100, 10, 140, 60)], strict=True):
            left, top, right, bottom = each["box"]
            assert x0 <= left < right <= x1 and y0 <= top < bottom <= y1  # as it was posted: two corners
            assert 0 <= each["score"] <= 1
        again = client.post(URL, json={"detections": seen, "mode": "first"})
        assert again.json() == {"ids": [], "followed": [None, None], "taken": False}
        boxes = [{"box": each["box"]} for each in listed]
        new = client.post(
            URL, json={"detections": [*boxes, {"box": [1, 80, 50, 119]}, {"box": [0, 0, 1, 1]}]}
        )
        assert new.json() == {"ids": [3], "followed": [1, 2, 3, None], "taken": True}
        early = client.post(URL, json={"detections": [{"box": [90, 70, 150, 110]}], "every": 100})
        assert early.json() == {"ids": [], "followed": [None], "taken": False}
        every = client.post(URL, json={"detections": boxes, "mode": "all"})
        assert every.json() == {"ids": [4, 5], "followed": [4, 5], "taken": True}
        for wrong in ({"mode": "some"}, {"every": 0}, {"overlap": 0}, {"overlap": 2}, {"detections": [{}]}):
            refused = client.post(URL, json={"detections": seen, **wrong})
            assert refused.status_code == 422 and refused.json()["problem"]


def test_sixty_boxes_one_by_one_are_all_accepted() -> None:
    """On a stream that runs on, with the demo network: more boxes than there are groups."""
    with serving(Path(DEMO_BUNDLE)) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        for number in range(60):
            x, y = 16 * (number % 10), 20 * (number // 10)
            added = client.post(URL, json={"box": [x, y, x + 15, y + 19]})
            assert (added.status_code, added.json()) == (201, {"ids": [number + 1]})
        assert len(client.get(URL).json()["objects"]) == 60
        assert len(client.get("/api/streams/0/memory").json()["groups"]) <= 26
