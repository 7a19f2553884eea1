"""Whether a stream has really changed its size: a damaged header says so, too."""

from __future__ import annotations

_FRAMES = 10  # whole ones in a row; measured with bits of H.264 headers turned over, a damaged one gives 7
_SLOW = 3  # of a stream that takes as many seconds for them


class SizeGuard:
    """Lets the pictures of one size through; those of another once some whole ones have come in a row.

    A damaged header holds up to the next key frame. Of the pictures that are decoded by it many are damaged,
    of those of a stream that has changed none.
    """

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._doubted: tuple[int, int] | None = None
        self._count, self._since = 0, 0.0

    def passes(self, size: tuple[int, int], now: float, *, whole: bool = True) -> bool:
        """Whether a picture is to be believed.

        Args:
            size: Of the picture.
            now: Seconds, monotonic.
            whole: Whether its decoder found it so; one that is not never passes.
        """
        if not whole:
            self._doubted = None
            return False
        if self._size is None or size == self._size:
            self._size, self._doubted = size, None
            return True
        if size != self._doubted:
            self._doubted, self._count, self._since = size, 0, now
        self._count += 1
        slow = self._count >= _SLOW and now - self._since >= _SLOW
        if self._count < _FRAMES and not slow:
            return False
        self._size, self._doubted = size, None
        return True
