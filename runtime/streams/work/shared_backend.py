"""Several segmenters on one set of graphs and weights."""

from __future__ import annotations

from typing import Any

from ermu.closing import Closing
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.choosing import AUTO, choose_precision
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.streams.work.recovery import Recovery

OF_THE_BACKEND = ("backend", "device", "threads", "kernels", "plan")


class SharedBackend(Closing):
    """Segmenters that share a backend, closed with it; their frames take turns, in one thread.

    Args:
        bundle: Loaded.
        count: Of segmenters.
        recovery: Of the device, with all who work on it; None, nobody else does.
        options: As in `Segmenter`.

    Attributes:
        recovery: As above.
        segmenters: They stay the same where the backend is opened anew.
    """

    def __init__(
        self, bundle: Bundle, count: int, *, recovery: Recovery | None = None, **options: Any
    ) -> None:
        self._options = {name: options.pop(name) for name in OF_THE_BACKEND if name in options}
        precision = choose_precision(
            bundle,
            options.pop("precision", None),
            self._options.get("device", "cpu"),
            backend=self._options.get("backend", AUTO),
            threads=self._options.get("threads"),
        )
        self._bundle = bundle.at_precision(precision)
        self._backend = open_backend(self._bundle, **self._options)
        self._of_segmenters = options
        self.segmenters = list[Segmenter]()
        try:
            for _ in range(count):
                self.segmenter()
        except BaseException:
            self.close()
            raise
        self.recovery = recovery or Recovery()
        self.recovery.join(self)

    @property
    def backend(self) -> Backend:
        """The open one."""
        return self._backend

    def segmenter(self, **options: Any) -> Segmenter:
        """One more segmenter.

        Args:
            options: As in `Segmenter`, in place of those that all have; none of the backend's.
        """
        self.segmenters.append(
            Segmenter(self._bundle, backend=self._backend, **{**self._of_segmenters, **options})
        )
        return self.segmenters[-1]

    def release(self, segmenter: Segmenter) -> None:
        """Closes a segmenter that is needed no more."""
        self.segmenters.remove(segmenter)
        segmenter.close()

    @property
    def lost(self) -> bool:
        """Whether a fault has ended the device; it takes every segmenter's memory along."""
        return self._backend.device.lost

    def settle(self) -> None:
        """Waits for the device, so that a fault is known.

        Raises:
            BackendError: there was one.
        """
        self._backend.device.synchronize()

    def leave_device(self) -> None:
        """Lets go of everything on the device, which has been lost."""
        for segmenter in self.segmenters:
            segmenter.lend(None)
        self._backend.close()

    def open_again(self) -> None:
        """Opens the backend anew; every segmenter goes on with it, with no memory.

        Raises:
            BackendError: it cannot be opened.
        """
        self._backend = open_backend(self._bundle, **self._options)
        for segmenter in self.segmenters:
            segmenter.lend(self._backend)

    def close(self) -> None:
        """Closes segmenters and backend; closing twice is harmless."""
        for segmenter in self.segmenters:
            segmenter.close()
        self._backend.close()
