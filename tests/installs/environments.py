"""Virtual environments as users make them: the package with some extras, resolved and installed by uv.

They are kept in the temporary folder, by what is required; the package is installed anew after each change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.import_graph import ROOT
from tests.support.processes import running

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

KEPT = Path(tempfile.gettempdir()) / "ermu-tests" / "installs"
_PACKAGE = ("benchmarks", "ermu", "evaluation", "export", "kernels", "runtime", "training")
_FILES = ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the package in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @contextmanager
    def running(self, *command: object, cwd: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
        """A program of this environment that sees nothing of the one that the tests run in."""
        hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        clean = {name: value for name, value in os.environ.items() if name not in hidden}
        path = f"{self.folder / 'bin'}{os.pathsep}{clean.get('PATH', os.defpath)}"
        words = [self.folder / "bin" / str(command[0]), *command[1:]]
        with running(words, cwd=cwd, env={**clean, "PATH": path, **more}) as process:
            yield process

    def run(self, *command: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        with self.running(*command, cwd=cwd, **more) as process:
            out, err = process.communicate(timeout=900)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ermu(self, *arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run("ermu", *arguments, cwd=cwd, **more)

    def pip(self, *arguments: str) -> None:
        """uv's pip on this environment."""
        _uv("pip", *arguments, "--python", str(self.python))


def environment(extras: str, *, more: tuple[str, ...] = (), lowest: bool = False) -> Environment:
    """The package with extras such as `cpu,headless`, made once.

    Args:
        extras: As they stand in the brackets.
        more: Further requirements, and what is to be had before.
        lowest: The lowest versions that are allowed of what is required directly.
    """
    built = wheel()
    required = f"{extras} {more} {lowest} {sys.version} {(ROOT / 'pyproject.toml').read_text('utf-8')}"
    name = f"{extras.replace(',', '-') or 'core'}-{hashlib.sha256(required.encode()).hexdigest()[:10]}"
    made = Environment(KEPT / name)
    made.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{made.folder}.lock"):
        if not (made.folder / "whole").exists():
            shutil.rmtree(made.folder, ignore_errors=True)
            _uv("venv", "--python", sys.executable, str(made.folder))
        mark = made.folder / "whole"
        if not mark.exists() or mark.read_text() != built.parent.name:
            package = f"ermu[{extras}] @ {built.as_uri()}" if extras else f"ermu @ {built.as_uri()}"
            resolution = ("--resolution", "lowest-direct", *_required(extras)) if lowest else ()
            made.pip("install", "--reinstall-package", "ermu", *_sources(), *resolution, *more, package)
            mark.write_text(built.parent.name)
    return made


def _required(extras: str) -> list[str]:
    """What the package requires with the extras, named one by one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = (project["optional-dependencies"][extra] for extra in extras.split(","))
    return [*project["dependencies"], *(requirement for listed in lists for requirement in listed)]


def _uv(*arguments: str) -> None:
    uv = pytest.importorskip("uv", reason="uv installs the environments (extra `dev`)")
    done = subprocess.run([uv.find_uv_bin(), "-q", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@cache
def _sources() -> tuple[str, ...]:
    """Where pip looks too, which uv does not read; torch is the one that the tests run with."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    options = ["--index-strategy", "unsafe-best-match"]
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        flag = {"find-links": "--find-links", "extra-index-url": "--extra-index-url"}.get(name.split(".")[-1])
        for place in value.strip("'\"").replace("\\n", " ").split() if flag else ():
            if Path(place.removeprefix("file://")).is_dir() or place.startswith("http"):
                options += [str(flag), place]
    try:
        constraint = KEPT / "constraints.txt"
        constraint.write_text(f"torch=={version('torch')}\n")
        options += ["--constraint", str(constraint)]
    except PackageNotFoundError:
        pass
    return tuple(options)


@cache
def wheel() -> Path:
    """The package as it is built from a clean checkout; the compiled kernels are those of this tree."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        ignored = shutil.ignore_patterns("__pycache__", "*.so", "results", ".*")
        for name in _PACKAGE:
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        for name in _FILES:
            shutil.copy(ROOT / name, tree / name)
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        compiled = next((ROOT / "kernels" / "cpu").glob(f"_native*{suffix}"), None)
        digest = hashlib.sha256()
        for file in sorted(path for path in [*tree.rglob("*"), *filter(None, [compiled])] if path.is_file()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        kept = KEPT / "wheels" / digest.hexdigest()[:12]
        with FileLock(_parent(kept) / f"{kept.name}.lock"):
            if not kept.exists():
                _build(tree, compiled)
                shutil.copytree(tree / "dist", kept)
    return next(kept.glob("*.whl"))


def _build(tree: Path, compiled: Path | None) -> None:
    without = {
        **os.environ,
        **({"CXX": "false", "NVCC": "none"} if compiled else {}),
    }  # compiled once is enough
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    command = [sys.executable, "-c", build]
    done = subprocess.run(command, cwd=tree, env=without, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if compiled:
        (wheel,) = (tree / "dist").glob("*.whl")
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.write(compiled, f"ermu/kernels/cpu/{compiled.name}")


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent
