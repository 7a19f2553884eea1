"""Stamps: whose are believed, what is late, what waits."""

from __future__ import annotations

import av
import pytest

from ermu.runtime.sources.connections.stamps import Lateness, Playout, has_stamps, in_segments


@pytest.mark.parametrize(
    ("name", "stamped", "segments"),
    [
        ("rtsp", True, False),
        ("mpegts", True, False),
        ("flv", True, False),
        ("hls", True, True),
        ("mpjpeg", False, False),
        ("mjpeg", False, False),
        ("h264", False, False),
        ("jpeg_pipe", False, False),
    ],
)
def test_which_containers_have_stamps(name: str, stamped: bool, segments: bool) -> None:
    container_format = av.format.ContainerFormat(name, "r")
    assert (has_stamps(container_format), in_segments(container_format)) == (stamped, segments)


def test_frames_queued_in_a_stall_are_late() -> None:
    late = Lateness(1.0)
    assert not any(late.is_late(t / 15, 100 + t / 15) for t in range(30))
    assert late.is_late(2.0, 105.0)  # three seconds behind
    assert not late.lasting(105.5)
    assert late.is_late(2.5, 106.1) and late.lasting(106.1)
    assert not late.is_late(6.0, 106.2)  # caught up


@pytest.mark.parametrize("speed", [0.97, 0.9998, 1.0, 1.03])
def test_a_clock_of_another_speed_is_not_late(speed: float) -> None:
    lateness = Lateness(1.0)
    assert not any(lateness.is_late(speed * t / 10, 100.0 + t / 10) for t in range(36_000))


def test_a_link_too_slow_for_its_stream_is_late() -> None:
    lateness = Lateness(1.0)
    assert any(lateness.is_late(0.8 * t / 10, 100.0 + t / 10) for t in range(100))


def test_segments_are_played_at_their_own_pace() -> None:
    playout, now, shown = Playout(), 50.0, []
    for segment in range(3):  # of two seconds, come when they are whole
        now = max(now, 50.0 + 2 * segment)
        for frame in range(20):
            now += playout.wait(2 * segment + frame / 10, now)
            shown.append(now)
    assert shown == pytest.approx([50 + number / 10 for number in range(60)])
    late = playout.wait(6.0, 57.0)  # a second late: shown at once, and everything after it a second later
    assert late == 0 and playout.wait(6.1, 57.0) == pytest.approx(0.1)
    assert playout.wait(9999.0, 57.2) == 0  # a jump is no pace
