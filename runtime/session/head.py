"""The head of a session's file: everything in it that is not an array."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ermu.runtime.images.labels import GROUP_SIZE, IGNORE, MAX_OBJECTS

Number = Annotated[int, Field(ge=-1, le=2**53)]
ObjectId = Annotated[int, Field(ge=1, lt=IGNORE)]
Side = Annotated[int, Field(ge=1, le=32767)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class OptionsHead(_Part):
    """`MemoryOptions`."""

    policy: str
    capacity: int
    gap: int
    gap_seconds: Finite | None
    identities: str
    max_groups: int


class LimitsHead(_Part):
    """`SizeLimits`."""

    long_edge: int
    short_edge: int | None
    scale: Finite


class GroupHead(_Part):
    """A group; its numbers are in arrays. Fields as `SavedGroup`, and `frames`, of its bank's slots."""

    number: Number
    channel_ids: Annotated[list[ObjectId | None], Field(min_length=GROUP_SIZE, max_length=GROUP_SIZE)]
    began: Number
    untouched: bool
    trusted: list[Number]
    last_append: Finite
    policy: dict[str, Any]
    tracks_redundancy: bool
    frames: Annotated[list[Number], Field(min_length=1)]


class TrackedHead(_Part):
    """An object with a memory of its own; its numbers are in arrays. Fields as `SavedObject`."""

    number: Number
    id: ObjectId
    prompted: Annotated[list[Number], Field(min_length=1)]
    remembered: list[Number]
    last_append: Finite
    frames: Annotated[list[Number], Field(min_length=1)]
    pointer_frames: Annotated[list[Number], Field(min_length=1)]
    policy: dict[str, Any] = {}


class SegmenterHead(_Part):
    """A segmenter.

    Attributes:
        options: Of its memories.
        limits: Of the size at which frames enter.
        source_hw: Of its frames.
        network_hw: At which they enter.
        frame: Number of the latest.
        next_group: Number of the next group.
        added_on: Frame on which objects have been added since the latest step.
        attention: Precision in which kernels hold the banks; fp32 where graphs read them.
        groups: In order; none where objects have memories of their own.
        objects: These, in order.
    """

    options: OptionsHead
    limits: LimitsHead
    source_hw: tuple[Side, Side]
    network_hw: tuple[Side, Side]
    frame: Annotated[int, Field(ge=0, le=2**53)]
    next_group: Number
    added_on: Number
    attention: str
    groups: list[GroupHead]
    objects: list[TrackedHead] = Field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """Of every object that it follows."""
        grouped = [i for group in self.groups for i in group.channel_ids if i is not None]
        return [*grouped, *(each.id for each in self.objects)]


class ObjectHead(_Part):
    """An object as its user knows it: `Sighting`."""

    id: ObjectId
    name: str
    state: str
    area: Number
    box: tuple[int, int, int, int] | None
    score: Finite | None
    added_frame: Number | None
    seen_frame: Number | None
    seen_time: Finite | None
    found: Number


class ScoredHead(_Part):
    """A memory frame as the policy saw it last: `Scored`."""

    frame: Number
    relevance: Finite | None
    relevance_mean: Finite | None
    redundancy: Finite | None
    score: Finite | None


class EvictionHead(_Part):
    """A frame that left: `EvictionRecord`."""

    at: Number
    scored: ScoredHead
    reason: str


class HistoryHead(_Part):
    """A group's history: `GroupHistory`."""

    group: Number
    ids: list[ObjectId]
    held: list[ScoredHead]
    evictions: list[EvictionHead]


class FrameHead(_Part):
    """The latest frame of a stream: `Frame`, and its number in results."""

    index: Number
    name: str
    time: Finite
    number: Number


class StreamHead(_Part):
    """What a stream has beside its segmenter.

    Attributes:
        name: Of the stream.
        paused: Whether it was.
        restarts: Times that every memory began anew.
        device_losses: Frames after which it did so because a device was lost.
        detected: Frame whose detections were taken last.
        objects: By their user's ids.
        free: Ids in the order in which they are given out.
        latest: The latest frame.
        history: Of every group's memory.
        evictions: In all.
    """

    name: str
    paused: bool
    restarts: Number
    device_losses: list[Number]
    detected: Number | None
    objects: list[ObjectHead]
    free: Annotated[list[ObjectId], Field(max_length=MAX_OBJECTS)]
    latest: FrameHead
    history: list[HistoryHead]
    evictions: Number


class Head(_Part):
    """The whole of it.

    Attributes:
        bundle: `Bundle.fingerprint`.
        network: Its name.
        precision: Of the graphs.
        plan: Which of the bundle's.
        backend: That ran them.
        ermu: The release that wrote it.
        saved: When, ISO 8601 in UTC.
        segmenter: Of the stream.
        stream: The rest of it; None where a segmenter alone was saved.
    """

    bundle: str
    network: str
    precision: str
    plan: str
    backend: str
    ermu: str
    saved: str
    segmenter: SegmenterHead
    stream: StreamHead | None = None
