"""Compiles the CUDA kernels into one fatbin: code for every architecture, and PTX for those to come.

Used by `setup.py` when a wheel is built where nvcc exists, and at first use where none was shipped. Imports
nothing of ERMU, because it also runs while ERMU is not yet installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "src"
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)  # nvcc 13 begins at 75
FLAGS = ["-std=c++17", "-O3", "-Werror", "all-warnings", "-Xptxas", "-v", "--threads", "2"]
ENTRY = re.compile(r"Compiling entry function '(?P<kernel>\w+)' for 'sm_(?P<architecture>\d+)'")
SPILLS = re.compile(
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill"
)
USAGE = re.compile(r"Used (?P<registers>\d+) registers(?:.*?, (?P<shared>\d+) bytes smem)?")


@dataclass(frozen=True)
class Resources:
    """What ptxas reports of one kernel on one architecture; bytes are per thread, shared memory per block."""

    kernel: str
    architecture: int
    registers: int
    stack_bytes: int
    spill_bytes: int
    shared_bytes: int


def nvcc() -> str | None:
    """The CUDA compiler: $NVCC, else nvcc on the path or under $CUDA_HOME, else None."""
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    wanted = [os.environ["NVCC"]] if os.environ.get("NVCC") else ["nvcc", str(home / "bin" / "nvcc")]
    return next((found for found in map(shutil.which, wanted) if found), None)


def fingerprint(architectures: tuple[int, ...] = ARCHITECTURES) -> str:
    """Hash of the sources, flags and architectures."""
    digest = hashlib.sha256(" ".join([*FLAGS, *map(str, architectures)]).encode())
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def compile_fatbin(destination: Path, architectures: tuple[int, ...] = ARCHITECTURES) -> str:
    """Compiles all kernels to `destination`, atomically, and returns what ptxas reports.

    Raises:
        OSError: there is no nvcc, or a file cannot be written.
        subprocess.CalledProcessError: nvcc failed; its `stderr` says why.
    """
    command = nvcc()
    if command is None:
        raise FileNotFoundError("nvcc was not found on the path, under $CUDA_HOME or as $NVCC")
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]
    newest = max(architectures)
    targets.append(f"-gencode=arch=compute_{newest},code=compute_{newest}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        unit = Path(folder) / "kernels.cu"
        unit.write_text("".join(f'#include "{file}"\n' for file in sorted(SOURCE.glob("*.cu"))))
        built = Path(folder) / destination.name
        run = subprocess.run(
            [command, *FLAGS, *targets, "-fatbin", "-o", str(built), str(unit)],
            check=True,
            capture_output=True,
            text=True,
        )
        built.replace(destination)
    return run.stderr + run.stdout


def parse_resources(report: str) -> list[Resources]:
    """Reads the output of `ptxas -v`."""
    found = []
    for part in re.split(r"(?=Compiling entry function)", report):
        entry, spills, usage = ENTRY.search(part), SPILLS.search(part), USAGE.search(part)
        if entry and spills and usage:
            found.append(
                Resources(
                    kernel=entry["kernel"],
                    architecture=int(entry["architecture"]),
                    registers=int(usage["registers"]),
                    stack_bytes=int(spills["stack"]),
                    spill_bytes=int(spills["stores"]) + int(spills["loads"]),
                    shared_bytes=int(usage["shared"] or 0),
                )
            )
    return found
