"""The instruction sets chosen are those that Linux says this processor has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernels.cpu.compiled import ISAS, needs_compiler

CPUINFO = Path("/proc/cpuinfo")
NEEDED = {
    "avx512": {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    "avx2": {"avx2", "fma", "f16c"},
    "portable": set(),
}


@needs_compiler
@pytest.mark.skipif(not CPUINFO.exists(), reason="no /proc/cpuinfo")
def test_what_the_system_lists_is_what_runs() -> None:
    from ermu.kernels.cpu.library import native

    flags = next((line for line in CPUINFO.read_text().splitlines() if line.startswith("flags")), "")
    there = set(flags.partition(":")[2].split())
    assert [isa for isa, needed in NEEDED.items() if needed <= there] == ISAS
    best = native().precisions(ISAS[0])
    assert ("bf16" in best) == (ISAS[0] == "avx512" and "avx512_bf16" in there)
