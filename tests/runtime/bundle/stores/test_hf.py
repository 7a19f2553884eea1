"""Bundles of the Hugging Face Hub: its client's own cache without a network, and a server like the Hub's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ermu.errors import BundleError, DependencyError
from ermu.runtime.bundle.bundle import Bundle
from tests.support.servers.answering import answering

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SCENE = "scene:4,size=48x64,frames=2,objects=1"


def needs_client() -> None:
    pytest.importorskip("huggingface_hub")


def repository(bundle: Path, home: Path) -> Path:
    """A bundle as the client keeps it: files by content, links to them a commit, the commit a branch."""
    root = home / "hub" / "models--org--tiny"
    snapshot = root / "snapshots" / COMMIT
    for folder in (snapshot, root / "blobs", root / "refs"):
        folder.mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    for path in bundle.iterdir():
        blob = root / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        blob.write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def ermu_at(home: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command with that folder as the client's, which reads its variables when it is imported."""
    environment = {**os.environ, "HF_HOME": str(home), "COLUMNS": "200", "no_proxy": "127.0.0.1", **variables}
    command = [sys.executable, "-m", "ermu", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
def test_offline(tiny_bundle: Path, tmp_path: Path, revision: str) -> None:
    """The weights lie behind symbolic links there, and run all the same."""
    needs_client()
    repository(tiny_bundle, tmp_path)
    run = ("run", "--bundle", f"hf://org/tiny{revision}", "--source", SCENE, "--out", tmp_path / "out")
    done = ermu_at(tmp_path, *run, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 2


def test_offline_and_not_there(tmp_path: Path) -> None:
    needs_client()
    done = ermu_at(tmp_path, "inspect", "hf://org/tiny@v1", HF_HUB_OFFLINE="1")
    assert done.returncode == 1 and "hf://org/tiny@v1 cannot be fetched" in done.stderr
    assert "HF_HUB_OFFLINE=1" in done.stderr and "Traceback" not in done.stderr


def test_offline_and_altered(tiny_bundle: Path, tmp_path: Path) -> None:
    needs_client()
    snapshot = repository(tiny_bundle, tmp_path)
    (snapshot / "weights.bin").resolve().write_bytes(b"other")
    done = ermu_at(tmp_path, "inspect", "hf://org/tiny", HF_HUB_OFFLINE="1")
    assert done.returncode == 1 and "weights.bin has been altered" in done.stderr
    assert f"remove {snapshot}, and it is fetched again" in done.stderr


class Hub:
    """The parts of the Hub's API that a download asks for, for one repository."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.fetched: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(with_content=True)

            def do_HEAD(self) -> None:
                self.answer(with_content=False)

            def answer(self, *, with_content: bool) -> None:
                path = self.path.partition("?")[0]
                name = path.rpartition(f"/resolve/{COMMIT}/")[2]
                if path.startswith("/api/models/org/tiny"):
                    siblings = [{"rfilename": file} for file in files]
                    tree = [
                        {"type": "file", "path": f, "size": len(c), "oid": "0" * 40} for f, c in files.items()
                    ]
                    info = {"id": "org/tiny", "sha": COMMIT, "siblings": siblings, "private": False}
                    self.reply(json.dumps(tree if "/tree/" in path else info).encode(), "application/json")
                elif name in files and "org/tiny" in path:
                    if with_content:
                        outer.fetched.append(name)
                    self.reply(files[name], "application/octet-stream", with_content=with_content)
                else:
                    self.send_error(404)

            def reply(self, content: bytes, kind: str, *, with_content: bool = True) -> None:
                self.send_response(200)
                headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
                for header, value in {**headers, "Content-Type": kind}.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if with_content:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(tiny_bundle: Path) -> Iterator[Hub]:
    needs_client()
    files = {path.name: path.read_bytes() for path in tiny_bundle.iterdir() if not path.name.startswith(".")}
    found = Hub({**files, "training.pth": b"not of the bundle", "README.md": b"# tiny"})
    with answering(found.server):
        yield found


def test_fetched_from_a_server(hub: Hub, tiny_bundle: Path, tmp_path: Path) -> None:
    """What the manifest lists and nothing else; a commit that is there is not asked for again."""
    address = f"hf://org/tiny@{COMMIT}"
    done = ermu_at(tmp_path, "inspect", address, "--json", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["manifest"] == json.loads(Bundle.load(tiny_bundle).manifest.to_json())
    assert found["path"].startswith(str(tmp_path)) and found["path"].endswith(COMMIT)
    listed = {path.name for path in Path(found["path"]).iterdir()}
    assert {"manifest.json", "weights.bin"} <= listed and not {"training.pth", "README.md"} & listed
    assert sorted(hub.fetched) == sorted(listed)
    hub.server.shutdown()
    again = ermu_at(tmp_path, "inspect", address, "--json", HF_ENDPOINT="http://127.0.0.1:1")
    assert again.returncode == 0 and json.loads(again.stdout) == found


def test_no_such_repository(hub: Hub, tmp_path: Path) -> None:
    done = ermu_at(tmp_path, "inspect", "hf://org/other", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 1 and "hf://org/other cannot be fetched" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["hf://tiny", "hf://org/tiny/../other", "hf://org/tiny@", "hf://"])
def test_no_repositorys_name(address: str) -> None:
    with pytest.raises(BundleError, match="names no repository"):
        Bundle.load(address)


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DependencyError) as caught:
        Bundle.load("hf://org/tiny")
    assert caught.value.fix == "pip install 'ermu[hub]'"
