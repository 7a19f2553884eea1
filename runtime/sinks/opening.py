"""From a description on the command line to a sink."""

from __future__ import annotations

from ermu.registries import SINKS
from ermu.runtime.sinks.base import Sink, SinkContext


def open_sink(what: str, context: SinkContext) -> Sink:
    """Opens a sink.

    Args:
        what: `NAME` or `NAME=TARGET`; names are those of `SINKS`.
        context: Of the stream.

    Raises:
        OptionError: there is no such sink, or its target is missing.
        SinkError: it cannot be written.
    """
    name, separator, target = what.partition("=")
    return SINKS.get(name).open(target if separator else None, context)
