"""A stream's length must not show in the process's memory."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np, psutil
from ermu import Segmenter
segmenter = Segmenter(sys.argv[1], capacity=4, gap=1)
rng = np.random.default_rng(0)
frames = [rng.integers(0, 256, (145, 257, 3), np.uint8) for _ in range(7)]
label = np.zeros((145, 257), np.uint8)
label[20:90, 30:120], label[60:140, 150:250] = 1, 2
segmenter.start(frames[0], label)
for t in range(1, 301):
    segmenter.step(frames[t % 7])
    if t == 60:
        early = psutil.Process().memory_info().rss
print(early, psutil.Process().memory_info().rss)
"""


def test_rss_after_300_frames_is_that_after_60(tiny_bundle):
    command = [sys.executable, "-c", SCRIPT, str(tiny_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    early, late = map(int, done.stdout.split())
    assert late < 1.02 * early
