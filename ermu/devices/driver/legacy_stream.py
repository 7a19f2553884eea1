"""The primary context shared with FFmpeg, which works in the context's legacy stream.

Work of a blocking stream, as ours is, comes after what was put into the legacy stream before it, and the
other way round: what a decoder writes is there for whoever reads it in our stream, without a wait. The price:
while such a stream is recorded the driver refuses work in the legacy stream, from whatever thread, and the
recording is lost (CUDA programming guide, CUDA graphs, "prohibited and unhandled operations").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_size_t
from functools import cache
from threading import Condition

from ermu.devices.driver.library import DriverError, call, created, start
from ermu.errors import BackendError

_BLOCKING_SYNC = 4  # CU_CTX_SCHED_BLOCKING_SYNC


class LegacyStream:
    """Lets those who work in a GPU's legacy stream and those who record another one take turns.

    Attributes:
        resets: How often the context has been reset: what was in it before is gone, for FFmpeg, too.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self.resets = 0
        self._users, self._recorded = 0, False

    @contextmanager
    def used(self) -> Iterator[None]:
        """A `with` block for work in the legacy stream; many threads may be in theirs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._recorded)
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """A `with` block during which nobody works in it; waits for those who do, newcomers wait."""
        with self._changed:
            self._changed.wait_for(lambda: not self._recorded)
            self._recorded = True
            self._changed.wait_for(lambda: self._users == 0)
        try:
            yield
        finally:
            with self._changed:
                self._recorded = False
                self._changed.notify_all()

    @contextmanager
    def reset(self) -> Iterator[None]:
        """A `with` block in which the context is reset, while nobody works in its legacy stream."""
        with self.left_alone():
            self.resets += 1
            yield


@cache
def legacy_stream(index: int) -> LegacyStream:
    """The one of a GPU's primary context."""
    return LegacyStream()


def let_ffmpeg_share(index: int) -> None:
    """Has threads that wait for a GPU's primary context sleep: FFmpeg refuses a context that has them spin.

    Args:
        index: Number of the GPU.

    Raises:
        BackendError: there is no driver or no such GPU, or it refuses.
    """
    start()
    try:
        call("cuDevicePrimaryCtxSetFlags_v2", created("cuDeviceGet", index), _BLOCKING_SYNC)
    except DriverError as error:
        raise BackendError(
            f"GPU {index} cannot be shared with FFmpeg: {error}.", fix="ermu doctor"
        ) from error


def has_failed(index: int) -> bool:
    """Whether a fault has ended a GPU's primary context, and a reset will take what is in it."""
    free, total = c_size_t(), c_size_t()
    try:
        call("cuCtxPushCurrent_v2", created("cuDevicePrimaryCtxRetain", index))
        try:
            call("cuMemGetInfo_v2", byref(free), byref(total))
        finally:
            created("cuCtxPopCurrent_v2")
            call("cuDevicePrimaryCtxRelease_v2", index)
    except DriverError:
        return True
    return False
