"""The API over a network that follows every object by itself, and takes clicks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.serve.conftest import serving
from tests.runtime.serve.test_refinement import begun
from tests.support.toy.bundle import write_toy

httpx = pytest.importorskip("httpx", reason="the API's tests need httpx")


def test_objects_by_clicks_corrected_saved_and_gone(tmp_path: Path) -> None:
    bundle = write_toy(tmp_path / "bundle").path
    with serving(bundle) as server, httpx.Client(base_url=server.url) as client:
        looked_at = begun(client)
        points = [{"x": 60, "y": 50}, {"x": 4, "y": 110}]
        second = client.post("/api/streams/0/objects", json={"points": points, "name": "clicked"})
        assert second.status_code == 201 and second.json()["ids"] == [2]
        past = client.post("/api/streams/0/objects", json={"box": [10, 10, 90, 90], "frame": looked_at})
        assert past.status_code == 201 and past.json()["ids"] == [3]
        groups = client.get("/api/streams/0/memory").json()["groups"]
        assert [group["ids"] for group in groups] == [[1], [2], [3]]
        assert groups[2]["held"][0]["frame"] == looked_at
        refined = client.post("/api/streams/0/objects/2/refine", json={"points": points[:1]})
        assert refined.status_code == 200 and refined.json()["id"] == 2
        assert client.post("/api/streams/0/objects/2/undo").status_code == 200
        session = client.get("/api/streams/0/session")
        assert session.status_code == 200
        assert client.delete("/api/streams/0/objects/2").status_code == 204
        octets = {"content-type": "application/octet-stream"}
        answer = client.put("/api/streams/0/session", content=session.content, headers=octets)
        assert answer.status_code == 200, answer.text
        objects = client.get("/api/streams/0/objects").json()["objects"]
        assert {each["id"]: each["name"] for each in objects}[2] == "clicked" and len(objects) == 3
        policy = client.post("/api/streams/0/control", json={"action": "policy", "policy": "ermu"})
        refused = client.post("/api/streams/0/control", json={"action": "policy", "policy": "none"})
        assert refused.status_code == 422 and refused.json()["problem"] == "policy is none of fifo."
        assert policy.status_code >= 400 and "does not serve the network toy" in policy.json()["problem"]
