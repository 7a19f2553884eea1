"""Compiles the CUDA kernels into one fatbin: code for every architecture, and PTX for the others.

Used by `setup.py` when a wheel is built where nvcc exists; `python kernels/cuda/build.py FILE` does it once
for several wheels. Where none was shipped, first use compiles for the one GPU that is there. Imports nothing
of ERMU, because it also runs while ERMU is not yet installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "src"
ARCHITECTURES = (75, 80, 86, 87, 89, 90, 100, 110, 120)  # 87 is Orin, 110 Thor; nvcc 13 knows all of them
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
    for file in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        digest.update(file.relative_to(SOURCE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def supported(architectures: tuple[int, ...] = ARCHITECTURES) -> tuple[int, ...]:
    """Those of the architectures that the installed nvcc compiles for; all of them where it does not say.

    Raises:
        OSError: there is no nvcc.
    """
    known = _known()
    return tuple(a for a in architectures if a in known) if known else architectures


def translation_unit() -> str:
    """All kernels as one source."""
    return "".join(f'#include "{file}"\n' for file in sorted(SOURCE.rglob("*.cu")))


def compile_fatbin(destination: Path, architectures: tuple[int, ...] = ARCHITECTURES) -> str:
    """Compiles all kernels to `destination`, atomically, and returns what ptxas reports.

    Architectures that the installed nvcc does not know are left out. PTX of the lowest that it knows serves
    those left out and others between, PTX of the newest serves later ones.

    Raises:
        OSError: there is no nvcc, or a file cannot be written.
        subprocess.CalledProcessError: nvcc failed; its `stderr` says why.
    """
    known = supported(architectures)
    if not known:
        raise OSError(f"{_compiler()} compiles for none of {', '.join(f'sm_{a}' for a in architectures)}")
    return _compile(destination, [*map(_code, known), *map(_ptx, sorted({min(known), max(known)}))])


def compile_for_device(destination: Path, architecture: int) -> str:
    """Compiles all kernels for one GPU, as `compile_fatbin` does.

    Where the installed nvcc does not know its architecture, the driver gets PTX of the newest one below.

    Args:
        destination: The file to write.
        architecture: Of the GPU, such as 89.
    """
    known = _known()
    if not known or architecture in known:
        return _compile(destination, [_code(architecture)])
    below = [a for a in known if a < architecture]
    if not below:
        raise OSError(f"{_compiler()} compiles for sm_{min(known)} and later, not for sm_{architecture}")
    return _compile(destination, [_ptx(max(below))])


def _compile(destination: Path, targets: list[str]) -> str:
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        unit = Path(folder) / "kernels.cu"
        unit.write_text(translation_unit())
        built = Path(folder) / destination.name
        run = subprocess.run(
            [_compiler(), *FLAGS, f"-I{SOURCE}", *targets, "-fatbin", "-o", str(built), str(unit)],
            check=True,
            capture_output=True,
            text=True,
        )
        built.replace(destination)
    return run.stderr + run.stdout


def _code(architecture: int) -> str:
    return f"-gencode=arch=compute_{architecture},code=sm_{architecture}"


def _ptx(architecture: int) -> str:
    return f"-gencode=arch=compute_{architecture},code=compute_{architecture}"


def _known() -> set[int]:
    """Architectures that the installed nvcc compiles for; empty where it does not say."""
    listed = subprocess.run([_compiler(), "--list-gpu-code"], capture_output=True, text=True, check=False)
    return {int(number) for number in re.findall(r"\bsm_(\d+)\b", listed.stdout)}


def _compiler() -> str:
    found = nvcc()
    if found is None:
        raise FileNotFoundError("nvcc was not found on the path, under $CUDA_HOME or as $NVCC")
    return found


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


if __name__ == "__main__":
    compile_fatbin(Path(sys.argv[1]))
