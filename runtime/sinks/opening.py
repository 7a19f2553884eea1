"""From a description on the command line to a sink."""

from __future__ import annotations

from ermu.errors import ErmuError, SinkError
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
    kind = SINKS.get(name)
    try:
        return kind.open(target if separator else None, context)
    except ErmuError:
        raise
    except Exception as error:  # a sink may be anybody's
        raise SinkError(f"The sink {name} cannot be opened: {type(error).__name__}: {error}.") from error
