"""Work that comes again frame after frame is launched as one CUDA graph.

Nothing has to be declared: each piece of work says by its key what it does and where, to the last address,
and a sequence of keys that comes for the third time is captured. Whatever differs, a shape, a slot or a
buffer, is another sequence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ermu.devices.graphs.captures import Captured, Captures, Graph
from ermu.errors import BackendError

logger = logging.getLogger("ermu.devices")


@dataclass(frozen=True)
class Work:
    """Something for a device's stream.

    Attributes:
        key: What it does and where; equal keys, equal work.
        run: Enqueues it.
        prepare: Enqueues it so that from then on `run` may be captured, where that takes more than `run`.
            Returns what must live as long as the graph, or None where it cannot be captured now.
    """

    key: Hashable
    run: Callable[[], None]
    prepare: Callable[[], object | None] | None = None

    def prepared(self) -> object | None:
        """Enqueues it; see `prepare`."""
        if self.prepare is not None:
            return self.prepare()
        self.run()
        return self


class Recorder:
    """Holds work back inside `recording`, and hands it over in one piece where it has come before.

    Args:
        capture: Makes a graph of what it is given to call, without running it.
        wait: Waits for the stream.

    Attributes:
        launches: Pieces of work enqueued so far; a graph counts once.
    """

    def __init__(self, capture: Callable[[Callable[[], None]], Graph], wait: Callable[[], None]) -> None:
        self._capture, self._wait = capture, wait
        self._pending: list[Work] | None = None
        self._captures = Captures()
        self._told = False
        self.launches = 0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Work given inside is held back until the end, or until `flush`."""
        if self._pending is not None:
            yield
            return
        self._pending = []
        try:
            yield
            self.flush()
        finally:
            self._pending = None

    def add(self, work: Work) -> None:
        """Enqueues work, now or later."""
        if self._pending is None:
            self.launches += 1
            work.run()
        else:
            self._pending.append(work)

    def flush(self) -> None:
        """Enqueues what has been held back."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        key = tuple(work.key for work in pending)
        known = self._captures.find(key)
        if known is not None:
            self.launches += 1
            known.graph.launch()
            return
        self.launches += len(pending)
        if len(pending) > 1 and self._captures.due(key):
            self._record(key, pending)
        else:
            for work in pending:
                work.run()

    def forget(self) -> None:
        """Frees every graph."""
        self._free(self._captures.take_all())

    def _record(self, key: Hashable, pending: list[Work]) -> None:
        """Enqueues the work once more piece by piece, and then records it for the next time."""
        kept = [work.prepared() for work in pending]
        if any(each is None for each in kept):
            return
        oldest = self._captures.oldest_if_full()
        self._free([oldest] if oldest else [])

        def again() -> None:
            for work in pending:
                work.run()

        try:
            graph = self._capture(again)
        except BackendError as error:
            self._tell(error)
        else:
            self._captures.add(key, Captured(graph, kept))

    def _free(self, captured: list[Captured]) -> None:
        if captured:
            self._wait()
        for each in captured:
            each.graph.close()

    def _tell(self, error: BackendError) -> None:
        """Says once why there is no graph; the work itself has been done."""
        if not self._told:
            self._told = True
            logger.info("Work is launched piece by piece, not as a CUDA graph: %s", error.problem)
