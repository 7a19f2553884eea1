"""A stream from the network as a source: through PyAV, or OpenCV where that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

import cv2

from ermu.errors import SourceError
from ermu.runtime.images.frames import Picture
from ermu.runtime.opencv import quiet_opencv
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.sources.connections.address import Address
from ermu.runtime.sources.connections.options import ConnectionOptions
from ermu.runtime.sources.connections.reasons import SNAPSHOT, explained, unopened
from ermu.runtime.sources.connections.size_guard import SizeGuard
from ermu.runtime.sources.connections.stamps import Lateness, Playout, has_stamps, in_segments
from ermu.runtime.sources.decoders.conversion import converted_live
from ermu.types import Image

if TYPE_CHECKING:
    from ermu.runtime.sources.decoders.hardware import Decoding

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "tcp")
_MAX_BROKEN_PACKETS = 100  # in a row: then it is no longer the stream that was opened
_SEGMENT_SECONDS = 20.0  # without a byte, of streams that come a segment at a time


class NetworkSource(Source):
    """The newest frames of a network stream; one iteration is one connection.

    PyAV is the choice where it is installed (extra `live`): measured on loopback it opens in 0.35 s and
    runs one frame period behind, OpenCV two; its options belong to one stream, where OpenCV's are the whole
    process's; and it shows timestamps and marks damaged frames. OpenCV stands in where it is missing.

    Args:
        url: Of one of `SCHEMES`; may hold a password, which is never shown.
        open_seconds: After which opening fails.
        read_seconds: Without a byte after which the connection counts as lost.
        late_seconds: A frame that arrives so much later than its timestamp promises is old, whatever the
            decoder says; it is left out, and a stream that stays late is opened anew.
    """

    help = "an address: " + ", ".join(f"{scheme}://" for scheme in SCHEMES)
    live = reconnects = True

    def __init__(
        self, url: str, *, open_seconds: float = 3.0, read_seconds: float = 5.0, late_seconds: float = 1.0
    ) -> None:
        self._address, self._options = Address.parsed(url), ConnectionOptions()
        self.description = self._address.shown
        self._open_seconds, self._read_seconds = open_seconds, read_seconds
        self._late_seconds = late_seconds
        self._frames = 0
        self._segments = self._address.rest.partition("?")[0].lower().endswith(".m3u8")
        self._sizes = SizeGuard()
        self._closed = Event()
        self._device = self._stays_on = "cpu"

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`."""
        scheme, mark, _ = where.partition("://")
        return bool(mark) and scheme.lower() in SCHEMES

    @classmethod
    def open(cls, where: str) -> NetworkSource:
        """See `Source.open`."""
        return cls(where)

    def decode_on(self, device: str) -> None:
        """See `Source`; through PyAV only."""
        self._device = device

    def leave_on(self, device: str) -> None:
        """See `Source`; through PyAV only."""
        self._stays_on = device

    def connect_with(self, options: ConnectionOptions) -> None:
        """See `Source`."""
        self._address = self._address.with_credentials(options.user, options.password)
        self.description, self._options = self._address.shown, options
        if options.stale_seconds is not None:
            self._read_seconds = max(self._read_seconds, 2 * options.stale_seconds)

    def __iter__(self) -> Iterator[Frame]:
        self.awaits = "connecting"
        try:
            import av  # noqa: F401
        except ImportError:
            images: Iterator[Picture] = converted_live(self._through_opencv(), self.description)
        else:
            images = self._through_pyav()
        for image in images:
            self.awaits = "waiting for the next picture"
            yield live_frame(self._frames, image)
            self._frames += 1
            if self._closed.is_set():
                return

    def close(self) -> None:
        self._closed.set()

    def _through_pyav(self) -> Iterator[Picture]:
        import av

        from ermu.runtime.sources.decoders.hardware import on_gpu, opened

        read = max(self._read_seconds, _SEGMENT_SECONDS) if self._segments else self._read_seconds
        given = {"options": self._options.ffmpeg(self._address.scheme), "timeout": (self._open_seconds, read)}
        waited, before, began = self._open_seconds, self._frames, monotonic()
        try:
            with opened(
                self._address.url, self._device, self.description, stays_on=self._stays_on, **given
            ) as (container, decoding):
                waited, began = read, monotonic()
                self.awaits = "connected, and waiting for a whole picture (key frame)"
                if not container.streams.video:
                    raise SourceError(
                        f"{self.description}: there is no video in it.", expected="a stream with video"
                    )
                self._segments = self._segments or in_segments(container.format)
                stream = container.streams.video[0]
                # Frame threads would hold back a frame each; slices of one frame cost no latency.
                if not on_gpu(stream):
                    stream.thread_type = "SLICE"
                stream.codec_context.flags |= av.codec.context.Flags.low_delay
                self.fps = float(stream.average_rate or self.fps)
                images = self._decoded(container, stream, decoding)
                if container.format.name.endswith("_pipe") or container.format.name == "image2":
                    images = self._no_snapshot(images)
                yield from images
        except av.FFmpegError as error:
            begun, over = self._frames > before, monotonic() - began >= waited
            raise explained(self._address, error, begun=begun, timed_out=over) from None

    def _no_snapshot(self, images: Iterator[Picture]) -> Iterator[Picture]:
        """Pictures of a format that may be a stream or one picture alone.

        Raises:
            SourceError: there is one alone.
        """
        first = list(islice(images, 2))
        if len(first) < 2:
            raise SourceError(f"{self.description}: {SNAPSHOT.problem}.", fix=SNAPSHOT.fix)
        yield from chain(first, images)

    def _decoded(self, container: Any, stream: Any, decoding: Decoding) -> Iterator[Picture]:
        import av

        fits, broken = self._clock(container), 0
        for packet in container.demux(stream):
            if self._closed.is_set():
                return
            try:
                with decoding.turn():
                    frames = packet.decode()
                broken = 0
            except av.InvalidDataError:
                broken += 1
                if broken > _MAX_BROKEN_PACKETS:
                    raise
                continue
            for frame in frames:
                size = (frame.width, frame.height)
                if not self._sizes.passes(size, monotonic(), whole=not frame.is_corrupt):
                    self.awaits = "waiting for whole pictures of the size that it had"
                elif fits(frame.time):
                    yield decoding.picture(frame)

    def _clock(self, container: Any) -> Any:
        """What says of a frame's stamp whether the frame is to be shown, now; it may wait until it is due."""
        if not has_stamps(container.format):
            return lambda time: True
        if in_segments(container.format):
            playout = Playout()

            def paced(time: float | None) -> bool:
                due = 0.0 if time is None else playout.wait(time, monotonic())
                return not self._closed.wait(due)

            return paced
        lateness = Lateness(self._late_seconds)
        return lambda time: not self._is_late(lateness, time)

    def _is_late(self, lateness: Lateness, time: float | None) -> bool:
        if time is None or not lateness.is_late(time, monotonic()):
            return False
        if lateness.lasting(monotonic()):
            raise SourceError(f"{self.description}: it fell behind its own clock.", fix="it is opened anew")
        return True

    def _through_opencv(self) -> Iterator[Image]:
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            int(1e3 * self._open_seconds),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            int(1e3 * self._read_seconds),
        ]
        with quiet_opencv():
            capture = cv2.VideoCapture(self._address.url, cv2.CAP_FFMPEG, limits)
        try:
            if not capture.isOpened():
                raise unopened(self._address)
            self.fps = capture.get(cv2.CAP_PROP_FPS) or self.fps
            while True:
                read, image = capture.read()
                if not read:
                    return
                if self._sizes.passes((image.shape[1], image.shape[0]), monotonic()):
                    yield image  # type: ignore[misc]
        finally:
            capture.release()


PLUGIN = NetworkSource
