"""Runs every CUDA kernel on the library given, against the oracle; started under sanitizers by the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ermu.kernels.base.scoring import ScoreConstants
from ermu.kernels.cuda.scoring import CudaKernels
from ermu.kernels.numpy.scoring import ReferenceKernels
from tests.kernels.cuda.host_device import HostDevice
from tests.kernels.kernel_cases import random_logits, random_scoring


def main() -> None:
    device, oracle = HostDevice(Path(sys.argv[1])), ReferenceKernels()
    for precision in ("exact", "int8"):
        kernels = CudaKernels(device, precision=precision)  # type: ignore[arg-type]
        for dtype in (np.float32, np.float16):
            for head_channels in (32, 128):
                case = random_scoring(2, 9, 1, head_channels, dtype=dtype)
                foreground = np.ones(9, dtype=np.float32)
                relevance = kernels.relevance(case.query, case.keys, case.rows, foreground, heads=1)
                expected = oracle.relevance(case.query, case.keys, case.rows, foreground, heads=1)
                np.testing.assert_allclose(relevance, expected, atol=1e-5 if precision == "exact" else 0.05)
    for dtype in (np.float32, np.float16):
        keys = random_scoring(2, 9, 1, 40, dtype=dtype).keys
        gram = kernels.key_gram(1, 40)
        for slot in range(2):
            gram.update(slot, keys)
        redundancy = gram.redundancy(np.zeros((2, 40), dtype=np.float32))
        order, constants = np.arange(2), ScoreConstants(4.0, 10.0, 0.4)
        kernels.choose_eviction(redundancy, redundancy, np.full(2, np.nan), order, constants)
        for groups in (1, 2):
            logits, active = random_logits(groups, 5, 9)
            kernels.label_from_logits(logits.astype(dtype), active, (7, 11), (5, 9))
        kernels.foreground(logits[0].astype(dtype), active[0])
    frame = np.arange(7 * 11 * 3, dtype=np.uint8).reshape(7, 11, 3)
    kernels.prepare_frame(frame, (17, 33))
    print("agrees")


if __name__ == "__main__":
    main()
