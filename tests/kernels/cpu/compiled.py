"""The C++ kernels on each instruction set of this processor."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from ermu.errors import KernelError
from ermu.kernels.loading import Kernels


def _isas() -> list[str]:
    from ermu.kernels.cpu.library import native

    try:
        return list(native().isas())
    except KernelError:
        if shutil.which("c++") or shutil.which("g++"):
            raise
        return []


ISAS = _isas()
needs_compiler = pytest.mark.skipif(not ISAS, reason="there is no C++ compiler to build the CPU kernels with")


def compiled(isa: str, **scoring: Any) -> Kernels:
    """All kernels on one instruction set and two threads."""
    from ermu.kernels.cpu.attention import CpuAttention
    from ermu.kernels.cpu.identity import CpuIdentity
    from ermu.kernels.cpu.pixels import CpuPixels
    from ermu.kernels.cpu.scoring import CpuScoring

    return Kernels(
        "cpu",
        CpuScoring(isa=isa, threads=2, **scoring),
        CpuPixels(isa=isa, threads=2),
        CpuAttention(isa=isa, threads=2),
        CpuIdentity,
    )
