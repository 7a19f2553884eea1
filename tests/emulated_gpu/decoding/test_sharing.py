"""A GPU's context that FFmpeg's decoder and ERMU share: flags, turns, and who may open it first."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

OPENED = """
import sys
import av
from ermu.devices.cuda import CudaDevice
from ermu.devices.driver.legacy_stream import let_ffmpeg_share
from tests.emulated_gpu.counters import held
device = CudaDevice() if "first" in sys.argv else None
if "share" in sys.argv:
    let_ffmpeg_share(0)
try:
    av.codec.hwaccel.HWAccel("cuda", device="0", is_hw_owned=True).create(av.Codec("h264", "r"))
except av.FFmpegError as error:
    print("refused", end=" ")
else:
    print("shared", end=" ")
print(held()["contexts"])
"""


def test_graphs_are_recorded_while_a_video_is_decoded(python: Callable, video: Callable) -> None:
    """Work in the legacy stream would spoil a recording, and the driver refuses it meanwhile."""
    made = video(1)
    ran = python("-m", "tests.emulated_gpu.decoding.recorded", made.path, **made.environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert found["refused"] == []
    assert found["frames"] >= 13


@pytest.mark.parametrize(
    ("how", "found"), [(("first",), "refused"), (("first", "share"), "shared"), ((), "shared")]
)
def test_ffmpeg_refuses_a_context_whose_threads_spin(
    how: tuple[str, ...], found: str, python: Callable
) -> None:
    """Whoever opened it first; `let_ffmpeg_share` makes it one that FFmpeg takes, even so."""
    ran = python("-c", OPENED, *how)
    assert ran.returncode == 0, ran.stderr
    said, contexts = ran.stdout.split()
    assert said == found
    assert int(contexts) == int("first" in how)  # FFmpeg's goes with it
