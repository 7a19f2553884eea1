"""Fleets on real Ray clusters: `python -m tests.fleet.scenarios NAME FOLDER BUNDLE`.

The last line that a scenario prints is JSON: what came of it. Ray listens on every address of a machine, so
scenarios run where there is but the loopback (`alone`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import yaml

from tests.support.import_graph import ROOT
from tests.support.processes import running

URL = "http://127.0.0.1:8000"
SECONDS = 240.0  # for anything that takes a quiet machine a few
RAY_FAILED = "Ray does not start on this machine"
HEALTH = {  # a dead node is known after 3 to 4 seconds
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}


def alone(command: list[object]) -> list[str] | None:
    """A command in a network of its own, with the loopback alone; None where that cannot be had."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    words = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*words, "true"], capture_output=True).returncode:
        return None
    return [*words, *map(str, command)]


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Waits for a condition; returns the seconds that it took."""
    began = monotonic()
    while monotonic() - began < seconds:
        if condition():
            return monotonic() - began
        sleep(0.1)
    raise TimeoutError(f"not within {seconds:g} s: {fleet()}")


def fleet() -> dict[str, Any]:
    """The fleet's status, empty while it does not answer."""
    try:
        return dict(httpx.get(f"{URL}/api/fleet", timeout=30).json())
    except httpx.HTTPError:
        return {}


def streams() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in fleet().get("streams", [])}


def infos() -> dict[str, dict[str, Any]]:
    try:
        told = httpx.get(f"{URL}/api/streams", timeout=30).json()["streams"]
    except httpx.HTTPError:
        return {}
    return {each["name"]: each for each in told}


def flow(names: list[str], frames: int = 3) -> bool:
    """Whether streams are live in a worker and have segmented some frames there."""
    placed, told = streams(), infos()
    return all(
        placed.get(name, {}).get("standing") == "placed" and told[name]["frames"] >= frames for name in names
    )


def objects(name: str) -> dict[str, str]:
    """Ids and names of a stream, as its worker tells them now."""
    told = httpx.get(f"{URL}/api/streams/{name}/objects", timeout=30).json()["objects"]
    return {str(each["id"]): each["name"] for each in told}


def written(folder: Path, bundle: str, names: list[str], **settings: Any) -> Path:
    """A fleet's file of drawn scenes, two objects each."""
    from ermu.runtime.images.labels import write_label_map
    from ermu.scenes.source import SceneSource

    where = "scene:3,size=96x160,frames=60,objects=2"
    label = SceneSource.open(where).first_label()
    assert label is not None
    write_label_map(folder / "prompt.png", label)
    entry = {"source": f"{where},fps=4,swing", "prompt": str(folder / "prompt.png")}
    fleet = {"stream": {"cpus": 0.25}, "snapshot_seconds": 1.0, "place_seconds": SECONDS, **settings}
    file = {"bundle": bundle, "sessions": str(folder / "sessions"), "fleet": fleet}
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump({**file, "streams": [{"name": name, **entry} for name in names]}))
    return path


@contextmanager
def served(config: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    """`ermu fleet`, its output in a file beside its configuration; ended by the caller, or killed."""
    command = [sys.executable, "-m", "ermu", "--verbose", "fleet", "--config", config, *options]
    log = config.with_suffix(".log")
    with log.open("a") as output, running(command, stdout=output, stderr=output, cwd=ROOT) as process:
        until(lambda: fleet() or process.poll() is not None)
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        yield process


@contextmanager
def cluster(nodes: int, **own: Any) -> Iterator[Any]:
    """A head without cores and some nodes of one core each; `.address`, and `.nodes` that can be killed.

    Args:
        nodes: How many.
        own: What each has besides, as Ray takes it.
    """
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0123456789abcdef" * 4)
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 80_000_000}
    head: dict[str, Any] = {"num_cpus": 0, "include_dashboard": False, "_system_config": HEALTH, **store}
    try:
        made = _again(lambda: Cluster(initialize_head=True, head_node_args=head))
        made.nodes = [_again(lambda: made.add_node(num_cpus=1, **store, **own)) for _ in range(nodes)]
    except Exception as error:
        raise RuntimeError(f"{RAY_FAILED}: {error}") from error
    try:
        yield made
    finally:
        made.shutdown()


def _again(start: Callable[[], Any]) -> Any:
    """Ray gives its parts 15 seconds to load, which a busy machine may take longer than."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:
            failed = error
    raise failed


def kill_node(made: Any, worker: str) -> None:
    """SIGKILLs the node that a worker is on, and with it all of its processes."""
    (node_id,) = [each["node"] for each in fleet()["workers"] if each["name"] == worker]
    (node,) = [each for each in made.nodes if each.node_id == node_id]
    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)


def saved_since(names: list[str]) -> None:
    """Waits until what streams are now is on the disk."""
    shown = {name: httpx.get(f"{URL}/api/streams/{name}", timeout=30).json() for name in names}
    until(lambda: all((streams()[name]["saved_frame"] or 0) > shown[name]["frame"] for name in names))


def refused(answer: httpx.Response) -> dict[str, Any]:
    return {"status": answer.status_code, **answer.json()}


def small(folder: Path, bundle: str) -> dict[str, Any]:
    """One worker of one core on a local Ray: full, its process killed, a stream added through the API."""
    config = written(folder, bundle, ["a", "b"], stream={"cpus": 0.5}, most_workers=1, settle_seconds=0.5)
    with served(config, "--cpus", 1) as process:
        until(lambda: flow(["a", "b"]))
        httpx.patch(f"{URL}/api/streams/a/objects/1", json={"name": "Mina"}, timeout=30).raise_for_status()
        more = {"name": "c", "source": "scene:4,size=96x160,swing"}
        full = refused(httpx.post(f"{URL}/api/streams", json=more, timeout=60))
        answers = _answers()
        saved_since(["a"])
        (worker,) = fleet()["workers"]
        os.kill(worker["pid"], signal.SIGKILL)
        back = until(lambda: all(each["moves"] for each in streams().values()) and flow(["a", "b"]))
        after = {name: objects(name) for name in ("a", "b")}
        metrics = httpx.get(f"{URL}/metrics", timeout=30).text
        httpx.delete(f"{URL}/api/streams/b", timeout=60).raise_for_status()
        added = httpx.post(f"{URL}/api/streams", json=more, timeout=60).status_code
        with httpx.stream("GET", f"{URL}/streams/a/video.mjpeg", timeout=60) as video:
            picture = next(video.iter_bytes(1 << 14))
        lost = fleet()["workers_lost"]
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    return {"full": full, "answers": answers, "back": back, "objects": after, "metrics": metrics,
            "added": added, "code": code, "picture": picture[:200].decode("latin-1"),
            "workers_lost": lost}  # fmt: skip


def _answers() -> dict[str, int]:
    """Statuses of what is asked rightly and wrongly."""
    asked: dict[str, tuple[str, str, Any]] = {
        "page": ("GET", "/", None),
        "described": ("GET", "/openapi.json", None),
        "ready": ("GET", "/readyz", None),
        "picture": ("GET", "/streams/a/preview.jpg", None),
        "session": ("GET", "/api/streams/a/session", None),
        "unknown": ("GET", "/api/streams/none/objects", None),
        "unknown to move": ("POST", "/api/streams/none/move", {}),
        "moved nowhere": ("POST", "/api/streams/a/move", {}),
        "moved to none": ("POST", "/api/streams/a/move", {"worker": "w9"}),
        "badly moved": ("POST", "/api/streams/a/move", {"wrker": "w9"}),
        "badly added": ("POST", "/api/streams", {"name": "c", "source": "x", "policy": "lru"}),
        "added with a file": (
            "POST",
            "/api/streams",
            {"name": "c", "source": "scene:3", "sinks": ["trace=/tmp/t.jsonl"]},
        ),
        "added with a bundle": ("POST", "/api/streams", {"name": "c", "source": "scene:3", "bundle": "/b"}),
        "added twice": ("POST", "/api/streams", {"name": "a", "source": "scene:3"}),
    }
    return {
        name: httpx.request(method, f"{URL}{path}", json=body, timeout=60).status_code
        for name, (method, path, body) in asked.items()
    }


def node_killed(folder: Path, bundle: str) -> dict[str, Any]:
    """Eight streams on two of three nodes; one of the two is killed, then a stream moves by hand."""
    names = [f"s{number}" for number in range(8)]
    with cluster(3) as made:
        config = written(folder, bundle, names, address=made.address, stream={"cpus": 0.2})
        text = yaml.safe_load(config.read_text())
        for entry in text["streams"]:
            entry["sinks"] = [f"labels={folder / 'labels' / entry['name']}"]
            entry["source"] = entry["source"].replace("fps=4", "fps=1")  # nobody drops a frame
        config.write_text(yaml.safe_dump(text))
        with served(config) as process:
            until(lambda: flow(names))
            for name in names:
                path = f"{URL}/api/streams/{name}/objects/2"
                httpx.patch(path, json={"name": f"of {name}"}, timeout=30).raise_for_status()
            before = streams()
            victim = before["s0"]["worker"]
            moved = [name for name in names if before[name]["worker"] == victim]
            saved_since(names)
            kill_node(made, victim)
            back = until(lambda: all(streams()[name]["moves"] for name in moved) and flow(names, 12))
            status, after = fleet(), {name: objects(name) for name in names}
            still = next(name for name in names if name not in moved)
            target = httpx.post(f"{URL}/api/streams/{still}/move", json={}, timeout=SECONDS)
            until(lambda: streams()[still]["moves"] == 1 and flow([still]))
            by_hand = {"status": target.status_code, "name": still, "objects": objects(still)}
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    return {"moved": moved, "back": back, "status": status, "objects": after, "by_hand": by_hand,
            "code": code}  # fmt: skip


def on_gpu(folder: Path, bundle: str) -> dict[str, Any]:
    """Two streams, half a GPU each, in the worker of a node with one GPU; a third one finds no room."""
    shares = {"worker": {"cpus": 1.0, "gpus": 1.0}, "stream": {"cpus": 0.25, "gpus": 0.5}}
    with cluster(1, num_gpus=1) as made:
        config = written(folder, bundle, ["a", "b"], address=made.address, **shares)
        text = yaml.safe_load(config.read_text())
        text["backend"] = "onnxruntime"
        for entry in text["streams"]:
            entry["sinks"] = [f"labels={folder / 'labels' / entry['name']}"]
            entry["source"] = entry["source"].replace("fps=4", "fps=1")
        config.write_text(yaml.safe_dump(text))
        with served(config) as process:
            until(lambda: flow(["a", "b"], 8))
            status, metrics = fleet(), httpx.get(f"{URL}/metrics", timeout=30).text
            more = {"name": "c", "source": "scene:4,size=96x160,swing"}
            full = refused(httpx.post(f"{URL}/api/streams", json=more, timeout=60))
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    return {"status": status, "metrics": metrics, "full": full, "code": code}


def poisoned(folder: Path, bundle: str) -> dict[str, Any]:
    """A stream that crashes its worker at its fifth frame, among two others."""
    config = written(folder, bundle, ["a", "b"], settle_seconds=4.0, worker={"cpus": 1.0})
    text = yaml.safe_load(config.read_text())
    text["streams"].insert(1, {"name": "poison", "source": "poison:5"})
    config.write_text(yaml.safe_dump(text))
    with served(config, "--cpus", 2) as process:
        until(lambda: streams()["poison"]["standing"] == "quarantined")
        until(lambda: flow(["a", "b"]))
        status, after = fleet(), {name: objects(name) for name in ("a", "b")}
        shown = infos()["poison"]
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return {"status": status, "objects": after, "shown": shown}


def restarted(folder: Path, bundle: str) -> dict[str, Any]:
    """The head and everything with it is killed, and started again."""
    config = written(folder, bundle, ["a", "b"])
    with served(config, "--cpus", 1) as process:
        until(lambda: flow(["a", "b"]))
        httpx.patch(f"{URL}/api/streams/a/objects/1", json={"name": "Mina"}, timeout=30).raise_for_status()
        saved_since(["a"])
        noted = infos()["a"]["frame"]
        process.kill()
        process.wait()
    with served(config, "--cpus", 1) as process:
        back = until(lambda: flow(["a", "b"]))
        after, frame = {name: objects(name) for name in ("a", "b")}, infos()["a"]["frame"]
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return {"objects": after, "noted": noted, "frame": frame, "back": back}


def offline(folder: Path, bundle: str) -> dict[str, Any]:
    """Three sequences, the second of which has a broken frame, on this machine and on Ray, and once more."""
    import cv2

    from ermu.runtime.images.labels import write_label_map
    from ermu.scenes.source import SceneSource

    for number, name in enumerate(("first", "broken", "third")):
        images, labels = folder / "data" / "JPEGImages" / name, folder / "data" / "Annotations" / name
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        source = SceneSource.open(f"scene:{number},size=96x160,frames=6,objects=2")
        for frame in source:
            cv2.imwrite(str(images / f"{frame.name}.png"), frame.image)
            write_label_map(labels / f"{frame.name}.png", source.label(frame.index))
    (folder / "data" / "JPEGImages" / "broken" / "00003.png").write_bytes(b"no picture")
    command = [sys.executable, "-m", "ermu", "eval", "--bundle", bundle, "--dataset", "folder"]
    command += ["--root", str(folder / "data"), "--threads", "1", "--out"]
    ways = {"here": [], "ray": ["--fleet", "local"], "again": ["--fleet", "local", "--resume"]}
    codes, said = {}, {}
    for name, more in ways.items():
        out = folder / ("ray" if name == "again" else name)
        done = subprocess.run([*command, str(out), *more], capture_output=True, text=True, cwd=ROOT)
        codes[name], said[name] = done.returncode, done.stdout + done.stderr
        if RAY_FAILED in done.stderr:
            raise RuntimeError(done.stderr)
    return {"codes": codes, "said": said}


def many_videos(folder: Path, bundle: str) -> dict[str, Any]:
    """Two sequences and a broken one by `ermu fleet run`, and each by `ermu run`; then once more."""
    import cv2

    from ermu.runtime.images.labels import write_label_map
    from ermu.scenes.source import SceneSource

    (folder / "prompts").mkdir()
    for number, name in enumerate(("first", "third")):
        (folder / "videos" / name).mkdir(parents=True)
        source = SceneSource.open(f"scene:{number},size=96x160,frames=5,objects=2")
        for frame in source:
            cv2.imwrite(str(folder / "videos" / name / f"{frame.name}.png"), frame.image)
        write_label_map(folder / "prompts" / f"{name}.png", source.label(0))
    (folder / "videos" / "broken.mp4").write_bytes(b"no video")
    shutil.copy(folder / "prompts" / "first.png", folder / "prompts" / "broken.png")
    ermu = [sys.executable, "-m", "ermu"]
    spread = [*ermu, "fleet", "run", "--videos", str(folder / "videos"), "--prompts", str(folder / "prompts")]
    spread += ["--bundle", bundle, "--out", str(folder / "ray")]
    done = [subprocess.run([*spread, *more], capture_output=True, text=True, cwd=ROOT)
            for more in ([], ["--resume"])]  # fmt: skip
    if RAY_FAILED in done[0].stderr:
        raise RuntimeError(done[0].stderr)
    for name in ("first", "third"):
        own = ["--source", str(folder / "videos" / name), "--prompt", str(folder / "prompts" / f"{name}.png")]
        alone = ["--bundle", bundle, "--threads", "1", "--out", str(folder / "here" / name)]
        subprocess.run([*ermu, "run", *own, *alone], check=True, capture_output=True, cwd=ROOT)
    return {"codes": [each.returncode for each in done], "said": [each.stdout + each.stderr for each in done]}


if __name__ == "__main__":
    known = (small, node_killed, on_gpu, poisoned, restarted, offline, many_videos)
    scenario = {each.__name__: each for each in known}[sys.argv[1]]
    print(json.dumps(scenario(Path(sys.argv[2]), sys.argv[3])))
