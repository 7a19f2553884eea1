"""A worker's streams, without Ray: they come and go, are saved, and go on in another worker as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

pytest.importorskip("starlette", reason="workers serve: extra `serve`")

from ermu.errors import OptionError, PromptError, SessionError, StateError
from ermu.fleet.worker.host import StreamHost
from ermu.fleet.worker.kept import Kept
from ermu.fleet.worker.settings import Kind, WorkerSettings
from ermu.runtime.config.schema import StreamEntry
from ermu.runtime.images.labels import write_label_map
from tests.runtime.conftest import boxes, until

TOKEN = "a-token-of-sixteen-characters"
Hosts = Callable[..., StreamHost]


@pytest.fixture
def hosts(tiny_bundle: Path, tmp_path: Path) -> Iterator[Hosts]:
    """Starts workers whose sessions lie in one folder."""
    with ExitStack() as stack:

        def start(name: str, seconds: float = 3600.0) -> StreamHost:
            settings = WorkerSettings(
                name=name, kind=Kind(str(tiny_bundle)), cpus=1.0, gpus=0.0, host="127.0.0.1", token=TOKEN,
                sessions=str(tmp_path / "sessions"), snapshot_seconds=seconds,
            )  # fmt: skip
            return stack.enter_context(StreamHost(settings, "127.0.0.1"))

        yield start


@pytest.fixture
def entry(tmp_path: Path) -> StreamEntry:
    write_label_map(tmp_path / "prompt.png", boxes(49, 65, id3=(5, 5, 30, 30), id7=(35, 10, 60, 40)))
    return StreamEntry(
        name="yard", source="scene:3,size=49x65,frames=40,objects=2,fps=20,swing", bundle="b",
        prompt=str(tmp_path / "prompt.png"),
    )  # fmt: skip


def frames(host: StreamHost, name: str = "yard") -> int:
    return int(host.status()[name]["info"]["frames"])


def get(host: StreamHost, path: str, token: str = TOKEN) -> httpx.Response:
    return httpx.get(host.url + path, headers={"Authorization": f"Bearer {token}"})


def test_a_stream_goes_on_in_another_worker_as_it_was(hosts: Hosts, entry: StreamEntry) -> None:
    first, second = hosts("w1"), hosts("w2")
    first.add(entry)
    assert until(lambda: frames(first) > 3, 60)
    assert httpx.patch(
        f"{first.url}api/streams/yard/objects/7", json={"name": "Mina"},
        headers={"Authorization": f"Bearer {TOKEN}"},
    ).status_code == 200  # fmt: skip
    first.remove("yard", save=True)
    assert first.status() == {}
    second.add(entry)
    assert until(lambda: frames(second) > 3, 60)
    said = second.status()["yard"]
    assert said["objects"] == {3: "object 3", 7: "Mina"} or said["objects"][7] == "Mina"
    assert set(said["objects"]) == {3, 7} and said["replays"]
    shown = get(second, "api/streams/yard").json()
    assert shown["frame"] > said["restored_frame"] >= 3, "frames are counted on"


def test_the_source_goes_on_behind_the_session(hosts: Hosts, entry: StreamEntry) -> None:
    """The label maps of two workers are one row of frames: none is missing but what live work drops."""
    first, second = hosts("w1"), hosts("w2")
    folder = Path(str(entry.prompt)).parent / "labels"
    entry = entry.model_copy(update={"sinks": [f"labels={folder}"]})
    first.add(entry)
    assert until(lambda: frames(first) > 3, 60)
    first.remove("yard", save=True)
    before = {path.name for path in folder.rglob("*.png")}
    second.add(entry)
    assert until(lambda: frames(second) > 3, 60)
    second.remove("yard", save=True)
    after = {path.name for path in folder.rglob("*.png")} - before
    assert after and min(after) > max(before)


def test_who_was_taken_for_dead_lets_go(hosts: Hosts, entry: StreamEntry, tmp_path: Path) -> None:
    host = hosts("w1", 0.05)
    kept = Kept(tmp_path / "sessions", "yard")
    kept.claim("w1")
    host.add(entry)
    assert until(lambda: kept.session.is_file(), 60)
    kept.claim("w2")
    assert until(lambda: host.status() == {}, 60)


def test_a_damaged_session_is_set_aside_and_another_folders_is_refused(
    hosts: Hosts, entry: StreamEntry, tmp_path: Path
) -> None:
    host, kept = hosts("w1"), Kept(tmp_path / "sessions", "yard")
    kept.claim("w1")
    kept.session.write_bytes(b"no session")
    host.add(entry)
    assert kept.session.with_suffix(".damaged").is_file() and not kept.session.is_file()
    assert set(host.status()["yard"]["objects"]) <= {3, 7}
    (tmp_path / "given.ermu").write_bytes(b"no session")
    with pytest.raises(SessionError):
        host.add(entry.model_copy(update={"name": "gate", "session": str(tmp_path / "given.ermu")}))
    assert list(host.status()) == ["yard"]


def test_what_is_here_twice_or_not_at_all(hosts: Hosts, entry: StreamEntry) -> None:
    host = hosts("w1")
    host.add(entry)
    with pytest.raises(OptionError, match="here already"):
        host.add(entry)
    with pytest.raises(StateError, match="not here"):
        host.remove("gate", save=False)
    assert get(host, "api/streams", token="x" * 16).status_code == 401
    assert [each["name"] for each in get(host, "api/streams").json()["streams"]] == ["yard"]
    other = entry.model_copy(update={"name": "gate", "policy": "fifo", "capacity": 3})
    host.add(other)
    shown = get(host, "api/streams/gate").json()
    assert (shown["policy"], shown["capacity"]) == ("fifo", 3)
    assert np.isclose(get(host, "api/streams/yard").json()["capacity"], 4)


def test_a_network_turns_clicks_into_masks(
    hosts: Hosts, entry: StreamEntry, sam2_bundle: Path, tmp_path: Path
) -> None:
    """The entry's `prompter`, through the worker's own server; the next entry names none and has GrabCut."""
    from tests.support.sam2.clicked import area_clicked
    from tests.support.sam2.clip import frames_of

    (frame,) = frames_of(1)
    cv2.imwrite(str(tmp_path / "still.png"), np.uint8(frame.numpy())[..., ::-1])
    still = entry.model_copy(
        update={"name": "still", "source": str(tmp_path / "still.png"), "prompt": None, "loop": True}
    )
    host = hosts("w1")
    host.add(still.model_copy(update={"prompter": str(sam2_bundle)}))
    assert until(lambda: frames(host, "still") > 0, 60)
    host.add(still.model_copy(update={"name": "plain"}))
    assert until(lambda: frames(host, "plain") > 0, 60)
    point = (100.0, 90.0)
    seen = area_clicked(frame, [point], [1])
    assert seen > 100
    areas = {name: _clicked(host, name, point) for name in ("still", "plain")}
    assert abs(areas["still"] - seen) <= 3
    assert abs(areas["plain"] - seen) > 100


def _clicked(host: StreamHost, name: str, point: tuple[float, float]) -> int:
    """Pixels of what a click begins on a paused stream."""
    api = f"{host.url}api/streams/{name}"
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        client.post(f"{api}/control", json={"action": "pause"}).raise_for_status()
        body = {"points": [{"x": point[0], "y": point[1]}]}
        client.post(f"{api}/objects", json=body).raise_for_status()
        (found,) = client.get(f"{api}/objects").json()["objects"]
        return int(found["area"])


def test_a_stream_that_cannot_be_taken_in_leaves_nothing(
    hosts: Hosts, entry: StreamEntry, tmp_path: Path
) -> None:
    """It is tried again and again."""
    host = hosts("w1")
    lost = entry.model_copy(update={"prompt": str(tmp_path / "none.png")})
    for _ in range(2):
        with pytest.raises(PromptError, match="no label map"):
            host.add(lost)
    assert host.status() == {} and not host._shared.segmenters
    host.add(entry)
    assert until(lambda: frames(host) > 1, 60)
