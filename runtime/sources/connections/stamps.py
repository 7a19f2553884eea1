"""Presentation stamps of a live stream: whether they can be believed, and what they say of a frame."""

from __future__ import annotations

from typing import Any

_INVENTED = {"mpjpeg", "mjpeg", "h264", "hevc", "mpegvideo"}  # FFmpeg counts frames there, at 25 a second
_SEGMENTED = {"hls", "dash"}
_LONGEST_WAIT = 30.0  # s; a stamp further ahead is no pace but a jump


def has_stamps(container_format: Any) -> bool:
    """Whether stamps come from the stream itself.

    Args:
        container_format: Of PyAV.
    """
    names = set(container_format.name.split(","))
    untimed = container_format.flags & type_of_flags().no_timestamps.value
    return not untimed and not names & _INVENTED and not container_format.name.endswith("_pipe")


def type_of_flags() -> Any:
    """PyAV's flags of a format."""
    from av.format import Flags

    return Flags


def in_segments(container_format: Any) -> bool:
    """Whether frames come some seconds at a time, as files."""
    return bool(set(container_format.name.split(",")) & _SEGMENTED)


class Lateness:
    """Compares stamps with the clock: after a stall, frames come that were queued meanwhile.

    The smallest difference seen stands for a frame that came at once. It is forgotten at a twentieth of the
    time, which lets a camera's clock run that much slower than ours: cameras stamp at a nominal rate that
    they do not keep. A link that is a twentieth too slow for its stream cannot be told from that.

    Args:
        limit: Seconds by which a frame may come late.
    """

    _FORGET = 0.05

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._baseline: float | None = None
        self._checked = 0.0
        self._late_since: float | None = None

    def is_late(self, time: float, now: float) -> bool:
        """Whether a frame of a stamp, come now, is old."""
        delay = now - time
        if self._baseline is None:
            self._baseline = delay
        else:
            self._baseline = min(delay, self._baseline + self._FORGET * (now - self._checked))
        self._checked = now
        late = delay - self._baseline > self._limit
        self._late_since = (self._late_since or now) if late else None
        return late

    def lasting(self, now: float) -> bool:
        """Whether every frame has been late for longer than the limit."""
        return self._late_since is not None and now - self._late_since > self._limit


class Playout:
    """The pace of frames that come a segment at a time: as far apart as their stamps are.

    The frame that came latest for its stamp, so far, is shown at once; the others wait as long as it took.
    """

    def __init__(self) -> None:
        self._offset: float | None = None

    def wait(self, time: float, now: float) -> float:
        """Seconds until the frame of a stamp, come now, is due."""
        due = None if self._offset is None else time + self._offset - now
        if due is None or due < 0 or due > _LONGEST_WAIT:
            self._offset, due = now - time, 0.0
        return due
