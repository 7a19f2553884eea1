"""RTSP and HTTP streams as a source: through PyAV, or OpenCV where that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import cv2

from ermu.errors import SourceError
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.sources.decoders.conversion import converted_live
from ermu.runtime.sources.redaction import redact
from ermu.types import Image

SCHEMES = ("rtsp://", "rtsps://", "http://", "https://")
_MAX_BROKEN_PACKETS = 100  # in a row: then it is no longer the stream that was opened


class NetworkSource(Source):
    """The newest frames of a network stream; one iteration is one connection.

    PyAV is the choice where it is installed (extra `live`): measured on loopback it opens in 0.35 s and
    runs one frame period behind, OpenCV two; its options belong to one stream, where OpenCV's are the whole
    process's; and it shows timestamps and marks damaged frames. OpenCV stands in where it is missing.

    Args:
        url: rtsp, rtsps, http or https; may hold a password, which is never shown.
        open_seconds: After which opening fails.
        read_seconds: Without a byte after which the connection counts as lost.
        late_seconds: A frame that arrives so much later than its timestamp promises is old, whatever the
            decoder says; it is left out, and a stream that stays late is opened anew.
    """

    help = "an rtsp:// or http:// address"
    live = reconnects = True

    def __init__(
        self, url: str, *, open_seconds: float = 3.0, read_seconds: float = 2.0, late_seconds: float = 1.0
    ) -> None:
        scheme, mark, rest = url.partition("://")
        self._url, self.description = scheme.lower() + mark + rest, redact(url)  # FFmpeg knows no RTSP://
        self._open_seconds, self._read_seconds = open_seconds, read_seconds
        self._late_seconds = late_seconds
        self._frames = 0
        self._closed = False
        self._device = "cpu"

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`."""
        return where.lower().startswith(SCHEMES)

    @classmethod
    def open(cls, where: str) -> NetworkSource:
        """See `Source.open`."""
        return cls(where)

    def decode_on(self, device: str) -> None:
        """See `Source`; through PyAV only."""
        self._device = device

    def __iter__(self) -> Iterator[Frame]:
        try:
            import av  # noqa: F401
        except ImportError:
            images = converted_live(self._through_opencv(), self.description)
        else:
            images = self._through_pyav()
        for image in images:
            yield live_frame(self._frames, image)
            self._frames += 1
            if self._closed:
                return

    def close(self) -> None:
        self._closed = True

    def _through_pyav(self) -> Iterator[Image]:
        import av

        from ermu.runtime.sources.decoders.hardware import on_gpu, opened

        options = {"options": self._options(), "timeout": (self._open_seconds, self._read_seconds)}
        try:
            with opened(self._url, self._device, self.description, **options) as container:
                if not container.streams.video:
                    raise SourceError(f"{self.description} has no video.", expected="a stream with video")
                stream = container.streams.video[0]
                # Frame threads would hold back a frame each; slices of one frame cost no latency.
                if not on_gpu(stream):
                    stream.thread_type = "SLICE"
                stream.codec_context.flags |= av.codec.context.Flags.low_delay
                self.fps = float(stream.average_rate or self.fps)
                yield from self._decoded(container, stream)
        except av.FFmpegError as error:
            timed_out = isinstance(error, av.error.ExitError)
            reason = "nothing came in time" if timed_out else redact(error.strerror or type(error).__name__)
            fix = "check the address and the camera"
            raise SourceError(f"{self.description}: {reason}.", fix=fix) from None

    def _options(self) -> dict[str, str]:
        options = {"fflags": "nobuffer+discardcorrupt", "analyzeduration": "200000"}
        return {**options, "rtsp_transport": "tcp"} if self._url.startswith("rtsp") else options

    def _decoded(self, container: Any, stream: Any) -> Iterator[Image]:
        import av

        lateness, broken = _Lateness(self._late_seconds), 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
                broken = 0
            except av.InvalidDataError:
                broken += 1
                if broken > _MAX_BROKEN_PACKETS:
                    raise
                continue
            for frame in frames:
                if not frame.is_corrupt and not self._is_late(lateness, frame.time):
                    yield frame.to_ndarray(format="bgr24")

    def _is_late(self, lateness: _Lateness, time: float | None) -> bool:
        if time is None or not lateness.is_late(time, monotonic()):
            return False
        if lateness.lasting(monotonic()):
            raise SourceError(f"{self.description} fell behind its own clock.", fix="it is opened anew")
        return True

    def _through_opencv(self) -> Iterator[Image]:
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            int(1e3 * self._open_seconds),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            int(1e3 * self._read_seconds),
        ]
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, limits)
        try:
            if not capture.isOpened():
                raise SourceError(
                    f"{self.description} cannot be opened.", fix="check the address and the camera"
                )
            self.fps = capture.get(cv2.CAP_PROP_FPS) or self.fps
            while True:
                read, image = capture.read()
                if not read:
                    return
                yield image  # type: ignore[misc]
        finally:
            capture.release()


class _Lateness:
    """Compares timestamps with the clock: after a stall, frames come that were queued meanwhile.

    The smallest difference seen stands for a frame that came at once. It is forgotten at a thousandth of the
    time, which lets a camera's clock run that much slower than ours, for weeks.
    """

    _FORGET = 1e-3

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._baseline: float | None = None
        self._checked = 0.0
        self._late_since: float | None = None

    def is_late(self, time: float, now: float) -> bool:
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


PLUGIN = NetworkSource
