"""What is given to an index: complete, without a stray file, buildable without a compiler."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.installs.environments import wheel
from tests.support.import_graph import ROOT

SCENE = "scene:7,size=96x160,frames=3,objects=2"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked; setuptools had nothing to warn of."""
    folder = tmp_path_factory.mktemp("source")
    for path in _checked_in():
        if not path.startswith("tests/golden"):  # which is large
            copy = folder / "tree" / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, copy)
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    done = subprocess.run([sys.executable, "-c", build], cwd=folder / "tree", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not re.findall("warning|deprecat", done.stdout + done.stderr, re.IGNORECASE)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    return folder / archive.name.removesuffix(".tar.gz")


def _checked_in() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).exists()]


def test_the_source_has_everything_but_the_tests(source: Path) -> None:
    made = {"PKG-INFO", "ermu.egg-info", "setup.cfg"}
    files = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    found = {str(path) for path in files if path.parts[0] not in made}
    assert found == {path for path in _checked_in() if not re.match(r"tests/|\.", path)}


def test_the_source_builds_and_runs_without_a_compiler(source: Path, tmp_path: Path) -> None:
    bare = {**os.environ, "CXX": "none", "NVCC": "none", "PATH": str(tmp_path), "ERMU_CACHE": str(tmp_path)}
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the numpy kernels will be used" in done.stderr
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".so", ".fatbin"))]
        archive.extractall(tmp_path / "installed")
    arguments = ["run", "--bundle", "demo", "--source", SCENE, "--out", str(tmp_path / "out")]
    told = subprocess.run(
        [sys.executable, "-m", "ermu", *arguments],
        env={**bare, "PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0 and "slow numpy kernels" in told.stderr, told.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 3


def test_the_wheel_has_the_package_alone() -> None:
    with zipfile.ZipFile(wheel()) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"ermu"}
    for part in (
        "assets/demo/manifest.json",
        "kernels/cpu/src/bindings.cpp",
        "kernels/cuda/src/scoring",
        "py.typed",
    ):
        assert any(name.startswith(f"ermu/{part}") for name in names), part
    assert not [name for name in names if "/tests/" in name or "__pycache__" in name]


def test_the_index_page_needs_nothing_beside_it() -> None:
    with zipfile.ZipFile(wheel()) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = metadata.get_payload()
    links = re.findall(r"\]\(([^)]+)\)", str(page))
    assert len(links) > 20 and all(link.startswith(("https://", "http://", "#")) for link in links)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", str(page))
    assert pictures and all("/raw/v" in picture for picture in pictures)
    assert metadata["Author"] and metadata["Keywords"] and len(metadata.get_all("Classifier", [])) > 10
    assert len(metadata.get_all("Project-URL", [])) >= 4


def test_what_is_checked_here_builds_the_wheels() -> None:
    """`make package` asks the cibuildwheel of the workflow which wheels it would build."""
    files = (ROOT / "Makefile", ROOT / ".github" / "workflows" / "wheels.yml")
    pinned = [set(re.findall(r"cibuildwheel==[\d.]+", file.read_text("utf-8"))) for file in files]
    assert pinned[0] == pinned[1] and len(pinned[0]) == 1
