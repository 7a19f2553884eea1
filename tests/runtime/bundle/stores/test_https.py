"""Bundles in archives, from a real server and from a file: pinned, kept once, refused in time."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ermu.errors import BundleError
from ermu.runtime.bundle.bundle import Bundle
from tests.cli.commands.test_run import ermu
from tests.support.servers.answering import answering

Packer = Callable[[Path, Path], None]


def tarred(bundle: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as file:
        file.add(bundle, ".")


def zipped(bundle: Path, archive: Path) -> None:
    """In a folder of its own, as file managers do."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in bundle.rglob("*"):
            file.write(path, f"tiny/{path.relative_to(bundle)}")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Served:
    """A server of files; notes what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization")))
                file = folder / self.path.partition("?")[0].strip("/")
                if not file.is_file():
                    self.send_error(404)
                    return
                content = file.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if "half" in self.path else content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("ERMU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "served").mkdir()
    found = Served(tmp_path / "served")
    with answering(found.server):
        yield found


def kept(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "bundles"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize(("name", "pack"), [("tiny.tar.gz", tarred), ("tiny.zip", zipped)])
def test_fetched_once(served: Served, tmp_path: Path, tiny_bundle: Path, name: str, pack: Packer) -> None:
    archive = tmp_path / "served" / name
    pack(tiny_bundle, archive)
    address = f"http://{served.address}/{name}?sig=secret#sha256={sha256(archive).upper()}"
    loaded = Bundle.load(address)
    assert loaded.manifest == Bundle.load(tiny_bundle).manifest and loaded.address == address
    assert kept(tmp_path) == [f"tiny-{sha256(archive)[:16]}"] and loaded.path.name == kept(tmp_path)[0]
    archive.unlink()
    assert Bundle.load(address) == loaded
    assert [path for path, _ in served.asked] == [f"/{name}?sig=secret"]


def test_a_file(served: Served, tmp_path: Path, tiny_bundle: Path) -> None:
    archive = tmp_path / "with space.tar.gz"
    tarred(tiny_bundle, archive)
    address = f"{archive.as_uri()}#sha256={sha256(archive)}"
    assert Bundle.load(address).manifest.network.name == "tiny" and not served.asked


def test_credentials_go_to_the_host_and_into_no_message(served: Served, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        Bundle.load(f"http://me:p%40ss@{served.address}/none.zip?token=hidden#sha256={'0' * 64}")
    assert served.asked == [("/none.zip?token=hidden", "Basic bWU6cEBzcw==")]  # me:p@ss
    assert caught.value.problem == f"http://{served.address}/none.zip cannot be fetched: 404 Not Found."
    assert not any(secret in str(caught.value) for secret in ("p@ss", "p%40ss", "hidden"))
    assert kept(tmp_path) == []


def test_another_file_than_the_one_named(served: Served, tmp_path: Path, tiny_bundle: Path) -> None:
    tarred(tiny_bundle, tmp_path / "served" / "a.tar.gz")
    with pytest.raises(BundleError, match="is another file: its SHA-256 is"):
        Bundle.load(f"http://{served.address}/a.tar.gz#sha256={'0' * 64}")
    assert kept(tmp_path) == []


def test_half_a_file(served: Served, tmp_path: Path, tiny_bundle: Path) -> None:
    archive = tmp_path / "served" / "half.tar.gz"
    tarred(tiny_bundle, archive)
    with pytest.raises(BundleError, match=r"half.tar.gz (ended after \d+ of \d+ bytes|cannot be fetched)"):
        Bundle.load(f"http://{served.address}/half.tar.gz#sha256={sha256(archive)}")
    assert kept(tmp_path) == []


def test_an_altered_bundle_in_the_cache(served: Served, tmp_path: Path, tiny_bundle: Path) -> None:
    archive = tmp_path / "a.zip"
    zipped(tiny_bundle, archive)
    address = f"{archive.as_uri()}#sha256={sha256(archive)}"
    folder = Bundle.load(address).path
    (folder / "weights.bin").write_bytes(b"other")
    with pytest.raises(BundleError, match="has been altered") as caught:
        Bundle.load(address)
    assert caught.value.fix == f"remove {folder}, and it is fetched again"
    shutil.rmtree(folder)
    assert Bundle.load(address).path == folder


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://host/a.zip", "https://host/a.zip does not say which file it is to be"),
        ("https://me:secret@host/a.zip#sha256=12", "https://host/a.zip does not say"),
        (f"http://127.0.0.1:1/a.zip#sha256={'0' * 64}", "cannot be fetched"),
        (f"file:///nowhere/a.zip#sha256={'0' * 64}", "cannot be fetched"),
        ("ftp://host/a.zip", "There is no store for ftp://"),
    ],
)
def test_addresses_that_lead_nowhere(served: Served, address: str, said: str) -> None:
    with pytest.raises(BundleError) as caught:
        Bundle.load(address)
    assert said in caught.value.problem and "secret" not in str(caught.value)


def with_member(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(content) * (kind == tarfile.REGTYPE), kind, "/etc/passwd"
        file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no archive"),
        (b"PK\x03\x04 not a zip", "is no archive"),
        (with_member("../out.txt"), "leads out of its folder"),
        (with_member("/etc/out.txt"), "leads out of its folder"),
        (with_member("a/b", kind=tarfile.SYMTYPE), "which is no plain file"),
        (with_member("weights.bin"), "holds no bundle"),
        (with_member("a/b/manifest.json"), "holds no bundle"),
    ],
)
def test_archives_of_something_else(served: Served, tmp_path: Path, content: bytes, said: str) -> None:
    archive = tmp_path / "a.bin"
    archive.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        Bundle.load(f"{archive.as_uri()}#sha256={sha256(archive)}")
    assert said in caught.value.problem and kept(tmp_path) == []


def test_run_by_address(served: Served, tmp_path: Path, tiny_bundle: Path) -> None:
    """From the command line, where the archive is an input that is never written over."""
    archive = tmp_path / "served" / "tiny.tar.gz"
    tarred(tiny_bundle, archive)
    scene = "scene:4,size=48x64,frames=2,objects=1"
    run = ("run", "--source", scene, "--out", tmp_path / "out")
    done = ermu(*run, "--bundle", f"http://{served.address}/tiny.tar.gz#sha256={sha256(archive)}")
    assert done.returncode == 0, done.stderr
    assert f"Fetching the bundle http://{served.address}/tiny.tar.gz" in done.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 2
    before = archive.read_bytes()
    address = f"{archive.as_uri()}#sha256={sha256(archive)}"
    done = ermu(*run, "--bundle", address, "--trace", archive, "--overwrite")
    assert done.returncode == 1 and "written over the bundle" in done.stderr
    assert archive.read_bytes() == before


def test_what_is_fetched_is_not_built_in(served: Served, tmp_path: Path, tiny_bundle: Path) -> None:
    from ermu.export.caching.derived_bundle import bundle_to_build_in

    archive = tmp_path / "tiny.tar.gz"
    tarred(tiny_bundle, archive)
    address = f"{archive.as_uri()}#sha256={sha256(archive)}"
    loaded = Bundle.load(address)
    assert loaded.build_options == f"--bundle '{address}' --out tiny-built"
    copied = bundle_to_build_in(loaded)
    assert copied.path != loaded.path and copied.path.parent == tmp_path / "cache" / "bundles"
