"""nvcc compiles the kernels for every architecture without a warning, and none of them spills registers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ermu.kernels.cuda import binary, build

pytestmark = pytest.mark.skipif(build.nvcc() is None, reason="there is no nvcc here")

STATIC_SHARED_LIMIT = 48 * 1024


Compiled = tuple[Path, tuple[int, ...], list[build.Resources]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((75, 90, 120), id="some"),
        pytest.param(build.ARCHITECTURES, id="all", marks=pytest.mark.long),
    ],
)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    fatbin = tmp_path_factory.mktemp("cuda") / "ermu.fatbin"
    return fatbin, request.param, build.parse_resources(build.compile_fatbin(fatbin, request.param))


def test_every_kernel_is_built_for_every_architecture(compiled: Compiled) -> None:
    fatbin, architectures, resources = compiled
    kernels = {found.kernel for found in resources}
    assert len(kernels) == 38
    assert {(r.kernel, r.architecture) for r in resources} == {
        (kernel, architecture) for kernel in kernels for architecture in architectures
    }
    assert fatbin.stat().st_size > 100_000


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that lists two architectures, refuses some others, and writes down what it was asked."""
    compiler, asked = tmp_path / "nvcc", tmp_path / "asked"
    compiler.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-gpu-code ]; then echo sm_75; echo sm_86; exit 0; fi\n'
        'case "$*" in *_80*|*_89*|*_120*) echo "unsupported gpu" >&2; exit 1;; esac\n'
        f'echo "$*" > {asked}\n'
        f'exec {build.nvcc()} "$@"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("NVCC", str(compiler))
    return asked


def _targets(asked: Path) -> list[str]:
    return re.findall(r",code=(\w+)", asked.read_text())


def test_an_older_nvcc_compiles_what_it_knows(tmp_path: Path, older: Path) -> None:
    assert build.supported() == (75, 86)
    report = build.compile_fatbin(tmp_path / "ermu.fatbin", (86, 120))
    assert {found.architecture for found in build.parse_resources(report)} == {86}
    assert _targets(older) == ["sm_86", "compute_86"]
    with pytest.raises(OSError, match="none of sm_120"):
        build.compile_fatbin(tmp_path / "none.fatbin", (120,))


def test_a_gpu_is_compiled_for_alone(tmp_path: Path, older: Path) -> None:
    report = build.compile_for_device(tmp_path / "one.fatbin", 86)
    assert {found.architecture for found in build.parse_resources(report)} == {86}
    assert _targets(older) == ["sm_86"]


def test_a_gpu_newer_than_nvcc_is_left_to_the_driver(tmp_path: Path, older: Path) -> None:
    assert build.parse_resources(build.compile_for_device(tmp_path / "ptx.fatbin", 89)) == []
    assert _targets(older) == ["compute_86"]
    with pytest.raises(OSError, match="not for sm_70"):
        build.compile_for_device(tmp_path / "none.fatbin", 70)


def test_a_release_has_ptx_of_the_lowest_and_the_newest(tmp_path: Path, older: Path) -> None:
    """Between them lie GPUs of which this nvcc has not heard."""
    build.compile_fatbin(tmp_path / "ermu.fatbin")
    assert _targets(older) == ["sm_75", "sm_86", "compute_75", "compute_86"]


def test_first_use_compiles_for_the_gpu_that_is_there(
    tmp_path: Path, older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERMU_CACHE", str(tmp_path))
    file = binary.fatbin(75)
    assert _targets(older) == ["sm_75"]
    older.unlink()
    assert binary.fatbin(75) == file
    assert not older.exists(), "compiled twice"


def test_no_kernel_spills(compiled: Compiled) -> None:
    spilling = [r for r in compiled[2] if r.spill_bytes or r.stack_bytes]
    assert spilling == []


def test_shared_memory_needs_no_permission(compiled: Compiled) -> None:
    assert max(r.shared_bytes for r in compiled[2]) <= STATIC_SHARED_LIMIT


def test_a_spill_would_be_seen() -> None:
    """The parser, on a report with a spill as ptxas writes it."""
    report = """ptxas info    : Compiling entry function 'greedy' for 'sm_90'
ptxas info    : Function properties for greedy
    40 bytes stack frame, 36 bytes spill stores, 44 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 40 bytes cumulative stack size, 17408 bytes smem
"""
    assert build.parse_resources(report) == [build.Resources("greedy", 90, 255, 40, 80, 17408)]
