"""Every Python that is supported and at hand: a wheel is built for it, installed, and the demo runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.import_graph import ROOT

PYTHONS = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text("utf-8"))


def interpreter(version: str) -> str:
    """One on the path, or pyenv's; skips the test where there is none."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for found in (shutil.which(f"python{version}"), *map(str, kept)):
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    pytest.skip(f"no Python {version} here")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_demo_runs(version: str, tmp_path: Path) -> None:
    python, uv = interpreter(version), pytest.importorskip("uv", reason="the extra `dev`").find_uv_bin()
    tree = tmp_path / "tree"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for path in filter(None, listed.stdout.split("\0")):
        if not path.startswith("tests/") and (ROOT / path).exists():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tree / path)

    def run(*words: object) -> str:
        environment = {**os.environ, "NVCC": "none"}  # the CUDA kernels are the same for all
        command = list(map(str, words))
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    run(uv, "-q", "build", "--wheel", "--python", python, "--out-dir", tmp_path, tree)
    run(uv, "-q", "venv", "--python", python, "made")
    (wheel,) = tmp_path.glob("*.whl")
    install = (uv, "-q", "pip", "install", "--python", "made/bin/python")
    run(*install, f"ermu[cpu,serve,headless] @ {wheel.as_uri()}")
    run(uv, "-q", "pip", "check", "--python", "made/bin/python")
    assert f"python               {version}." in (said := run("made/bin/ermu", "doctor"))
    assert re.search(r"ok +cpu kernels", said)
    (mean,) = re.findall(r"mean │ (0\.\d+)", run("made/bin/ermu", "demo", "--frames", "30"))
    assert float(mean) > 0.8
