"""Where TensorRT says what is wrong."""

from __future__ import annotations

from enum import IntEnum


class ILogger:
    """Derived from by whoever wants to hear."""

    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def log(self, severity: Severity, message: str) -> None:
        """Called with every message."""
