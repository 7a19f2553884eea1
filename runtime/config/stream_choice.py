"""One stream as the operator chose it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermu.runtime.config.schema import StreamEntry, StreamsFile
    from ermu.runtime.sources.base import Source

_OF_THE_SOURCE = ("user", "password", "rtsp_transport", "stale_after", "decode", "loop")


@dataclass(frozen=True)
class StreamChoice:
    """A source and how to read it.

    Attributes:
        name: Of the stream.
        where: As `open_source` takes it; may hold a password.
        user: Where the address has none.
        password: Of the user.
        rtsp_transport: `auto`, `tcp` or `udp`.
        stale_after: Seconds without a frame after which the stream is stale; None, by its own rate.
        decode: Device that decodes video.
        loop: Play a file again from its start.
    """

    name: str
    where: str = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    rtsp_transport: str = "auto"
    stale_after: float | None = None
    decode: str = "cpu"
    loop: bool = False

    def opened(self) -> Source:
        """Its source.

        Raises:
            OptionError: a choice is unknown, or does not go with the source.
            SourceError: nothing is there.
        """
        from ermu.runtime.sources.connections.options import ConnectionOptions
        from ermu.runtime.sources.opening import open_source

        options = ConnectionOptions(self.rtsp_transport, self.user, self.password, self.stale_after)
        source = open_source(self.where)
        source.connect_with(options)
        source.decode_on(self.decode)
        return source


def choice_of(entry: StreamEntry, given: Mapping[str, Any] | None = None) -> StreamChoice:
    """What an entry of a streams file chooses; what it leaves out is as `given` says.

    Raises:
        OptionError: the device that is to decode is none.
    """
    from ermu.devices.names import parse_device

    own = {name: value for name in _OF_THE_SOURCE if (value := getattr(entry, name)) is not None}
    if "decode" in own:
        own["decode"] = str(parse_device(own["decode"]))
    return StreamChoice(**{**(given or {}), **own, "name": entry.name, "where": entry.source})


def fields_beside(file: StreamsFile) -> list[str]:
    """What a file says that is not of its sources."""
    of_streams = {name for entry in file.streams for name in entry.model_fields_set}
    return sorted((of_streams | file.model_fields_set) - {"streams", "name", "source", *_OF_THE_SOURCE})
