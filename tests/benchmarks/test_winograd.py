"""The bound on Winograd's convolution: its counts by hand, its measure run for real."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ermu.assets import DEMO_BUNDLE
from ermu.benchmarks.kernels.winograd import Convolution, found_in
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import GridRule, Grids


def test_its_counts_are_those_done_by_hand() -> None:
    small = Convolution(channels_in=2, channels_out=3, height=5, width=8)
    assert small.gflop == pytest.approx(2 * 9 * 2 * 3 * 40 / 1e9)
    assert (small.tiles(2), small.tiles(4)) == (3 * 4, 2 * 2)
    # 5 channels; 40 pixels once; 16 elements of 12 tiles written and read; four bytes each
    assert small.moved_bytes(2) == 4 * 5 * (40 + 2 * 16 * 12)


def test_the_demo_network_has_those_of_its_decoder_at_every_stride() -> None:
    """By its description: three 3 x 3 convolutions in the decoder, at strides 16, 8 and 4."""
    rule = GridRule(align_corners=True)
    found = found_in(Bundle.load(DEMO_BUNDLE), {**Grids(257, 465, rule).symbols(), "G": 1, "T": 9})
    assert {(c.height, c.width) for c in found} >= {(17, 30), (33, 59), (65, 117)}


def test_it_is_measured_here() -> None:
    command = [
        sys.executable,
        "-m",
        "ermu.benchmarks.kernels.winograd",
        "--repeats",
        "1",
        "--size",
        "129x225",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["best_of_all_ms"] <= told["direct_ms"] * 1.0001
    assert told["gflop"] > 0
