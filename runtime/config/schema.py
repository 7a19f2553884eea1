"""The schema of a streams file, which `ermu serve`, `ermu run` and `ermu fleet` read alike."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
LOCAL = "local"
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}")

Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _known(kind: str) -> Any:
    """A validator: the name of something that a registry has."""

    def check(value: str) -> str:
        from ermu.registries import BACKENDS, POLICIES

        names = {"policy": POLICIES.names(), "backend": ["auto", *BACKENDS.names()]}[kind]
        if value not in names:
            raise ValueError(f"there is no {kind} '{value}', only {', '.join(names)}")
        return value

    return AfterValidator(check)


def _address(value: str) -> str:
    if value != LOCAL and not _ADDRESS.fullmatch(value):
        raise ValueError("an address is 'local' or HOST:PORT of a Ray cluster, never 'auto'")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class _Segmenting(_Part):
    """How frames are segmented; what is left out is the file's, the command line's, the bundle's."""

    bundle: str | None = None
    policy: Annotated[str, _known("policy")] | None = None
    backend: Annotated[str, _known("backend")] | None = None
    precision: str | None = None
    capacity: Annotated[int, Field(ge=2)] | None = None
    gap: Annotated[int, Field(ge=1)] | None = None
    prompter: Annotated[str, Field(min_length=1)] | None = None


class StreamEntry(_Segmenting):
    """A stream.

    Attributes:
        name: Up to 32 letters, digits, - and _.
        source: As `open_source` takes it; may hold a password.
        user: Where the address has none.
        password: Of the user.
        rtsp_transport: How RTSP is carried.
        stale_after: Seconds without a frame after which the stream is stale.
        decode: Device that decodes video.
        loop: Play a file again from its start.
        prompt: Label map of the first frame.
        session: A saved session to begin from, where the stream has none of its own yet.
        sinks: As `--sink` has them.
        cpus: What the stream takes of its worker's cores.
        gpus: What it takes of its worker's GPUs.
    """

    name: str
    source: Annotated[str, Field(min_length=1, repr=False)]
    user: Annotated[str | None, Field(repr=False)] = None
    password: Annotated[str | None, Field(repr=False)] = None
    rtsp_transport: Literal["auto", "tcp", "udp"] | None = None
    stale_after: Seconds | None = None
    decode: str | None = None
    loop: bool | None = None
    prompt: str | None = None
    session: str | None = None
    sinks: list[str] | None = None
    cpus: Share | None = None
    gpus: Share | None = None

    @property
    def of_segmenter(self) -> dict[str, Any]:
        """What its segmenter has of its own, as `Segmenter` takes it."""
        own = {name: getattr(self, name) for name in ("policy", "capacity", "gap")}
        return {name: value for name, value in own.items() if value is not None}


class Resources(_Part):
    """Cores and GPUs, whole or in part."""

    cpus: Share = 1.0
    gpus: Share = 0.0


class FleetSection(_Part):
    """How a fleet places its streams.

    Attributes:
        address: `local` starts Ray on this machine; HOST:PORT is a cluster's head.
        worker: Of each worker, which Ray reserves.
        stream: Of each stream that says nothing itself: a worker holds as many as fit.
        most_workers: At most so many; None, as many as the cluster has room for.
        worker_host: Address at which workers serve; None, this machine's own for `local`, else their node's.
        snapshot_seconds: Between two snapshots of a stream's session.
        lost_seconds: Without an answer after which a worker counts as lost.
        settle_seconds: For which a suspect of a crash is watched before the next one is placed.
        place_seconds: That a new worker may take until it is ready.
        tries: Crashes after which a stream is put in quarantine.
    """

    address: Annotated[str, AfterValidator(_address)] = LOCAL
    worker: Resources = Resources()
    stream: Resources = Resources(cpus=0.25)
    most_workers: Annotated[int, Field(ge=1)] | None = None
    worker_host: str | None = None
    snapshot_seconds: Seconds = 5.0
    lost_seconds: Seconds = 10.0
    settle_seconds: Annotated[float, Field(ge=0)] = 3.0
    place_seconds: Seconds = 60.0
    tries: Annotated[int, Field(ge=1)] = 3


class StreamsFile(_Segmenting):
    """A streams file; `bundle` and its neighbours are those of every stream that says nothing itself.

    Attributes:
        streams: Each with a name of its own.
        sessions: Folder that keeps every stream's session; a fleet's machines must all reach it.
        fleet: How `ermu fleet` places them.
    """

    streams: Annotated[list[StreamEntry], Field(min_length=1)]
    sessions: str | None = None
    fleet: FleetSection = FleetSection()

    def resolved(self, entry: StreamEntry) -> StreamEntry:
        """A stream with all that the file says of it."""
        own = {name: getattr(self, name) for name in _Segmenting.model_fields}
        own |= {name: getattr(self.fleet.stream, name) for name in ("cpus", "gpus")}
        left_out = {name: value for name, value in own.items() if getattr(entry, name) is None}
        return entry.model_copy(update=left_out)
