"""Runs every CUDA kernel on the library given, against the oracle; started under sanitizers by the tests."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np

from ermu.kernels.base.resampling import FILTERS
from ermu.kernels.cuda.faults import FaultWord
from ermu.kernels.cuda.loading import cuda_kernels
from ermu.kernels.cuda.scoring import CudaScoring
from ermu.kernels.loading import numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.cuda.host_device import FiberDevice
from tests.kernels.identity_cases import weights
from tests.kernels.kernel_cases import random_logits, random_scoring
from tests.kernels.nv12_cases import drawn, held

ORACLE = Caller(numpy_kernels())


def main() -> None:
    device = FiberDevice(Path(sys.argv[1]))
    kernels, faults = cuda_kernels(device), FaultWord(device)
    cuda = Caller(kernels, device)
    int8 = CudaScoring(device, faults, precision="int8")
    scored = {1e-5: cuda, 0.05: Caller(dataclasses.replace(kernels, scoring=int8), device)}
    for dtype in (np.float32, np.float16):
        score(scored, dtype)
        gram = kernels.scoring.key_gram(1, 40)
        keys = random_scoring(2, 9, 1, 40, dtype=dtype).keys
        for slot in range(2):
            cuda.update(gram, slot, keys[: slot + 1])
        cuda.redundancy(gram, np.zeros((2, 40), dtype=np.float32))
        for groups in (1, 2):
            logits, active = random_logits(groups, 5, 9)
            for align_corners in (True, False):
                cuda.label_map(logits.astype(dtype), active, (7, 11), (5, 9), align_corners=align_corners)
                label = np.arange(7 * 35, dtype=np.uint8).reshape(7, 35) % (10 * groups + 3)
                cuda.survey(logits.astype(dtype), active, label, 10 * groups + 1, align_corners=align_corners)
        cuda.foreground(logits[0].astype(dtype), active[0])
        logits, active = random_logits(1, 4, 8)
        cuda.foreground(logits[0].astype(dtype), active[0], align_corners=False)
    for dtype in (np.uint8, np.float32):
        for resampling in FILTERS:
            frame = np.arange(7 * 11 * 3, dtype=np.uint8).reshape(7, 11, 3)
            cuda.prepare_frame(frame, (17, 33), dtype, resampling)
            cuda.prepare_nv12(held(cuda, drawn((8, 12), padding=2)), (17, 33), dtype, resampling)
    embed(cuda)
    unreached = {kernel for kernel in device.known() if kernel not in device.launched}
    assert not unreached, f"never launched: {unreached}"
    print("agrees")


def score(scored: dict[float, Caller], dtype: type) -> None:
    for error, caller in scored.items():
        for head_channels in (32, 128, 256):
            case = random_scoring(2, 9, 1, head_channels, dtype=dtype)
            foreground = np.ones(9, dtype=np.float32)
            relevance = caller.relevance(case, foreground)
            np.testing.assert_allclose(relevance, ORACLE.relevance(case, foreground), atol=error)
            caller.weigh_masses(caller.frame_masses(case), foreground)


def embed(cuda: Caller) -> None:
    for side, hw in ((17, (17, 33)), (16, (16, 32))):
        weight, bias = weights(5, side)
        label = np.random.default_rng(0).integers(0, 13, hw).astype(np.uint8)
        found, expected = (caller.embed(weight, bias, label) for caller in (cuda, ORACLE))
        np.testing.assert_allclose(found, expected, atol=1e-3)


if __name__ == "__main__":
    main()
