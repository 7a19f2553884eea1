"""The instruction sets chosen are those that Linux says this processor has."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.kernels.cpu.compiled import ISAS, needs_compiler

CPUINFO = Path("/proc/cpuinfo")
LISTED = {"x86_64": "flags", "aarch64": "Features"}
NEEDED = {
    "x86_64": {
        "avx512": {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
        "avx2": {"avx2", "fma", "f16c"},
        "portable": set(),
    },
    "aarch64": {"neon_i8mm": {"asimd", "i8mm"}, "neon": {"asimd"}, "portable": set()},
}


@needs_compiler
def test_what_the_system_lists_is_what_runs() -> None:
    from ermu.kernels.cpu.library import native

    machine = platform.machine()
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    listed = next((line for line in lines if line.startswith(LISTED.get(machine, "nowhere"))), None)
    if listed is None:
        pytest.skip("the system does not list this processor's instructions")
    there = set(listed.partition(":")[2].split())
    assert [isa for isa, needed in NEEDED[machine].items() if needed <= there] == ISAS
    best = native().precisions(ISAS[0])
    assert ("bf16" in best) == (ISAS[0] == "avx512" and "avx512_bf16" in there)
