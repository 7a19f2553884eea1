"""Tests of the CPU kernels on an emulated ARM processor: cross-compiled, in Debian's arm64 Python under QEMU.

    apt-get install --no-install-recommends g++-aarch64-linux-gnu qemu-user
    dpkg --add-architecture arm64 && apt-get update
    python -m tests.kernels.cpu.aarch64 [--processor max] [arguments of pytest; default tests/kernels/cpu]

`max` has every instruction that QEMU knows, i8mm among them; `cortex-a72` only those of ARMv8.0. What is
downloaded is kept in `tests/.cache/aarch64`. Times say nothing there, and what torch computes is left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from ermu.kernels.cpu import build

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / "tests" / ".cache" / "aarch64"
PACKAGES = [
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libpython3.11-dev", "libc6"),
    *("libexpat1", "zlib1g", "libssl3", "libstdc++6", "libgcc-s1", "libffi8", "libbz2-1.0", "liblzma5"),
    *("libuuid1", "libsqlite3-0", "libcrypt1"),
]
WHEELS = ("numpy", "opencv-python-headless", "pydantic-core")
# Those that have no compiled part, taken from this environment.
PURE = [
    *("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments", "filelock"),
    *("typing_extensions.py", "pydantic", "annotated_types", "typing_inspection"),
]
MAPPED = ("kernels", "runtime")  # folders that are packages of `ermu`


def main() -> None:
    """Sets up what is missing, compiles, and runs pytest; exits as it does."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processor", default="max")
    told, arguments = parser.parse_known_args()
    for folder, make in (("root", _install_python), ("site", _install_packages)):
        if not (HOME / folder).exists():
            (HOME / "made").mkdir(parents=True, exist_ok=True)
            make(HOME / "made")
            (HOME / "made").rename(HOME / folder)
    tree = HOME / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    _copy_sources(tree)
    _compile(tree / "kernels" / "cpu" / "_native.cpython-311-aarch64-linux-gnu.so")
    root, paths = HOME / "root", f"{HOME / 'site'}:{tree}"
    python = root / "usr/bin/python3.11"
    emulated = ["qemu-aarch64", "-cpu", told.processor, "-L", root, python]
    chosen = arguments or ["-q", "tests/kernels/cpu"]
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    known = ["-m", "pytest", "-p", "no:cacheprovider", "-k", "not torchs", *chosen]
    sys.exit(subprocess.run([*emulated, *known], cwd=tree, env=environment).returncode)


def _install_python(folder: Path) -> None:
    debs = HOME / "debs"
    debs.mkdir(exist_ok=True)
    subprocess.run(["apt-get", "download", *(f"{name}:arm64" for name in PACKAGES)], cwd=debs, check=True)
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)


def _install_packages(folder: Path) -> None:
    from importlib.metadata import version

    platforms = [f"--platform=manylinux_2_{glibc}_aarch64" for glibc in (17, 27, 28)]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:", *platforms]
    exact = [f"{name}=={version(name)}" if name != "opencv-python-headless" else name for name in WHEELS]
    subprocess.run([*pip, "--python-version=311", "--target", folder, *exact, "pybind11"], check=True)
    here = Path(sysconfig.get_path("purelib"))
    for name in PURE:
        copy = shutil.copytree if (here / name).is_dir() else shutil.copy
        copy(here / name, folder / name)


def _copy_sources(tree: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "pyproject.toml", "kernels", "tests"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    for name in MAPPED:
        (tree / "ermu" / name).symlink_to(f"../{name}")
    shared = HOME / "shared"
    if not shared.is_symlink():
        shared.symlink_to(ROOT.parent / "shared")


def _compile(library: Path) -> None:
    """The kernels by the build's own rules, as they are on an ARM processor."""
    headers = HOME / "root" / "usr" / "include"
    folders = [build.SOURCE, headers / "python3.11", headers, HOME / "site" / "pybind11" / "include"]
    platform.machine = lambda: "aarch64"
    build.include_dirs = lambda: list(map(str, folders))
    os.environ["CXX"] = "aarch64-linux-gnu-g++"
    try:
        build.compile_library(library)
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr)


if __name__ == "__main__":
    main()
