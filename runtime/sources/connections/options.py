"""How a connection is made: what the operator chooses, and what FFmpeg is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from ermu.errors import OptionError

TRANSPORTS = ("auto", "tcp", "udp")

_RTSP = {
    "auto": {"rtsp_transport": "tcp+udp", "rtsp_flags": "prefer_tcp"},
    "tcp": {"rtsp_transport": "tcp"},
    "udp": {"rtsp_transport": "udp"},
}
_RTSP_DELAY = {"max_delay": "100000"}  # us that a packet over UDP may come behind its successors
# `nobuffer` would throw away what is read while the stream is looked at: the key frame that it begins with,
# and so the picture up to the next one. A frame rate is not waited for.
_ALL = {"fflags": "+discardcorrupt", "analyzeduration": "200000", "fpsprobesize": "0"}
# A transport stream tells what is in it twice a second or less.
_TRANSPORT_STREAM = {"analyzeduration": "1000000", "overrun_nonfatal": "1"}
_BY_SCHEME = {
    "http": {"live_start_index": "-1"},  # of HLS: the newest whole segment
    "rtmp": {"rtmp_live": "live", "analyzeduration": "500000"},
    "udp": _TRANSPORT_STREAM,
    "srt": _TRANSPORT_STREAM,
    "tcp": _TRANSPORT_STREAM,
}


@dataclass(frozen=True)
class ConnectionOptions:
    """What an operator chooses for a stream.

    Attributes:
        rtsp_transport: `tcp`, `udp`, or `auto`: TCP, and UDP where the server has no TCP.
        user: Where the address has none.
        password: Of the user.
        stale_seconds: Without a frame after which the stream is stale; it is waited for twice as long before
            the connection counts as lost. None: measured.

    Raises:
        OptionError: a transport is unknown, or a time not positive.
    """

    rtsp_transport: str = "auto"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    stale_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.rtsp_transport not in TRANSPORTS:
            raise OptionError(
                f"There is no RTSP transport '{self.rtsp_transport}'.", expected=" or ".join(TRANSPORTS)
            )
        if self.stale_seconds is not None and not self.stale_seconds > 0:
            raise OptionError(f"stale_seconds is {self.stale_seconds}.", expected="more than 0 seconds")

    def ffmpeg(self, scheme: str) -> dict[str, str]:
        """Options of FFmpeg's for an address of a scheme."""
        if scheme in ("rtsp", "rtsps"):
            return {**_ALL, **_RTSP[self.rtsp_transport], **_RTSP_DELAY}
        return {**_ALL, **_BY_SCHEME.get(scheme.removesuffix("s"), {})}
