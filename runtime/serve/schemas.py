"""What the API takes and gives, strictly: a body with an unknown field or a number as text is refused."""

from __future__ import annotations

import logging
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ermu.errors import PromptError
from ermu.registries import BACKENDS, POLICIES
from ermu.runtime.streams.object_registry import NAME, check_name

logger = logging.getLogger("ermu.serve")

Coordinate = Annotated[float, Field(ge=0, le=65535, allow_inf_nan=False)]


def _seen(value: str) -> str:
    try:
        check_name(value)
    except PromptError as error:
        raise ValueError(f"{error.problem} Expected: {error.expected}") from error
    return value


Name = Annotated[
    str, AfterValidator(_seen), Field(min_length=1, max_length=64, json_schema_extra={"pattern": NAME})
]


def _whole(value: object) -> object:
    """3.0 as 3: JSON has one kind of number, and JSON Schema calls both an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@cache
def bounded_policies() -> dict[str, str]:
    """Name and help of the eviction policies under which memory stops growing: a live stream has no end."""
    return {name: policy.help for name, policy in POLICIES.loadable(logger) if policy.bounded}


PolicyName = Annotated[
    str,
    Field(json_schema_extra=lambda schema: schema.update(enum=list(bounded_policies()))),
]
BackendName = Annotated[str, Field(json_schema_extra=lambda schema: schema.update(enum=BACKENDS.names()))]
FrameNumber = Annotated[int, Field(ge=0, le=2**53), BeforeValidator(_whole)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class BoxHint(_Body):
    """A box around one new object: x0, y0, x1, y1 in pixels of the frame, x1 and y1 exclusive."""

    model_config = _example(box=[100, 80, 220, 240], name="cat")

    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
    name: Name | None = None
    frame: FrameNumber | None = None


class ClickedPoint(_Body):
    """A click, on the object or (`positive` false) where it is not."""

    x: Coordinate
    y: Coordinate
    positive: bool = True


class PointsHint(_Body):
    """Clicks on one new object."""

    model_config = _example(points=[{"x": 160, "y": 90}], name="cat")

    points: Annotated[list[ClickedPoint], Field(min_length=1, max_length=32)]
    name: Name | None = None
    frame: FrameNumber | None = None


class DetectedBox(_Body):
    """A detector's box, as `BoxHint` has it, with the name of its class."""

    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
    name: Name | None = None


class DetectedBoxes(_Body):
    """What a detector found on a frame, in one call.

    `mode` `new` follows those that overlap no object by `overlap` (intersection over union of boxes), `first`
    all while nothing is followed, `all` every one. Calls less than `every` frames after the last that was
    heeded are left: they are not `taken`.
    """

    model_config = _example(detections=[{"box": [100, 80, 220, 240], "name": "cat"}], every=30)

    detections: Annotated[list[DetectedBox], Field(max_length=254)]
    mode: Literal["new", "first", "all"] = "new"
    every: Annotated[int, Field(ge=1, le=10**6), BeforeValidator(_whole)] = 1
    overlap: Annotated[float, Field(gt=0, le=1)] = 0.3
    frame: FrameNumber | None = None


class BoxCorrection(_Body):
    """A box around an object as it should be: x0, y0, x1, y1 in pixels of the frame."""

    model_config = _example(box=[100, 80, 220, 240])

    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
    frame: FrameNumber | None = None


class PointsCorrection(_Body):
    """Clicks that correct an object, on it or (`positive` false) where it is not."""

    model_config = _example(points=[{"x": 160, "y": 90}, {"x": 300, "y": 90, "positive": False}])

    points: Annotated[list[ClickedPoint], Field(min_length=1, max_length=32)]
    frame: FrameNumber | None = None


class Rename(_Body):
    """A new name for an object."""

    model_config = _example(name="cat")

    name: Name


class Action(_Body):
    """Pause, resume, or forget everything."""

    model_config = _example(action="pause")

    action: Literal["pause", "resume", "reset"]


class PolicySwitch(_Body):
    """Another eviction policy; one whose memory grows for ever is not offered, nor one for other networks."""

    model_config = _example(action="policy", policy="fifo")

    action: Literal["policy"]
    policy: PolicyName


class Offer(_Body):
    """A viewer's WebRTC offer: SDP with all of its candidates."""

    model_config = _example(sdp="v=0...")

    sdp: Annotated[str, Field(min_length=1, max_length=65536)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Answer):
    """What was wrong, what was expected, how to mend it."""

    problem: str
    expected: str | None = None
    fix: str | None = None


class Added(_Answer):
    """The new objects' ids.

    `followed` answers detections: for each the id under which it is followed, an object's that was there
    before among them, or null where it was left out. `taken` false says that none was looked at: the call
    came too early after the last (`every`), or something is followed already (`first`).
    """

    ids: list[int]
    followed: list[int | None] | None = None
    taken: bool | None = None


class CallAnswer(_Answer):
    """The server's WebRTC answer: SDP with all of its candidates."""

    sdp: str


class ObjectInfo(_Answer):
    """An object; `box` is x0, y0, x1, y1 in pixels of the frame, x1 and y1 exclusive.

    `score` is the mean probability that it has over its pixels; null on a GPU, or where it has none.
    """

    id: int
    name: str
    state: Literal["visible", "absent", "lost"]
    area: int
    box: Annotated[list[int], Field(min_length=4, max_length=4)] | None
    score: float | None
    colour: str
    added_frame: int
    seen_frame: int
    found: int


class Corrected(ObjectInfo):
    """A corrected object; `note` is there where it is not found on the latest frame."""

    note: str | None = None


class Objects(_Answer):
    """Every object of a stream."""

    objects: list[ObjectInfo]


class SinkInfo(_Answer):
    """A sink of a stream."""

    name: str
    state: Literal["running", "stopped", "closed"]
    written: int
    dropped: int
    error: str | None
    milliseconds: dict[str, float]


class StreamInfo(_Answer):
    """A stream's state and figures."""

    name: str
    source: str
    state: Literal["connecting", "live", "stale", "ended"]
    paused: bool
    frame: int
    width: int
    height: int
    backend: BackendName
    precision: str
    policy: str
    capacity: int
    staleness_seconds: float
    fps_in: float
    fps_out: float
    frames: int
    dropped: int
    reconnects: int
    restarts: int
    device_losses: list[int]
    viewers: int
    error: str | None
    milliseconds: dict[str, dict[str, float]]
    sinks: list[SinkInfo]


class PolicyInfo(_Answer):
    """An eviction policy to choose."""

    name: PolicyName
    help: str


class Streams(_Answer):
    """Every stream, and the eviction policies to choose from."""

    streams: list[StreamInfo]
    policies: list[PolicyInfo]


class HeldFrame(_Answer):
    """A memory frame, with the figures of its latest scoring."""

    frame: int
    relevance: float | None
    relevance_mean: float | None
    redundancy: float | None
    score: float | None


class EvictedFrame(HeldFrame):
    """A frame that left the memory when frame `at` came in, and why."""

    at: int
    reason: str


class GroupMemory(_Answer):
    """The memory that objects added together share."""

    group: int
    ids: list[int]
    held: list[HeldFrame]
    evictions: list[EvictedFrame]


class Memory(_Answer):
    """A stream's memory."""

    frame: int
    policy: str
    capacity: int
    groups: list[GroupMemory]


def schemas() -> dict[str, Any]:
    """JSON schemas of every model, as OpenAPI components."""
    from pydantic.json_schema import models_json_schema

    hints = (BoxHint, PointsHint, DetectedBoxes, BoxCorrection, PointsCorrection)
    taken = (*hints, Rename, Action, PolicySwitch, Offer)
    given = (Problem, Added, CallAnswer, Objects, ObjectInfo, Corrected, StreamInfo, Streams, Memory)
    modes = [(model, "validation") for model in taken] + [(model, "serialization") for model in given]
    _, document = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    definitions: dict[str, Any] = document["$defs"]
    return definitions
