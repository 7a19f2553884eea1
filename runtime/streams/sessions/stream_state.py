"""What a stream has beside its segmenter, to the head of a session and back."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import Any

import numpy as np

from ermu.errors import SessionError
from ermu.runtime.results import FrameResult, ObjectState, Sighting
from ermu.runtime.session.head import (
    EvictionHead,
    FrameHead,
    HistoryHead,
    ObjectHead,
    ScoredHead,
    StreamHead,
)
from ermu.runtime.session.session import Session
from ermu.runtime.sources.base import Frame
from ermu.runtime.streams.memory_history import EvictionRecord, GroupHistory, Scored
from ermu.runtime.streams.object_registry import check_name
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.runtime.streams.tracker import Tracker

IMAGE, LABEL = "latest/image", "latest/label"


def session_of(tracker: Tracker, name: str, *, paused: bool) -> Session:
    """A stream's session as it is between two frames.

    Raises:
        PromptError: no frame has been segmented.
        StateError: the policy cannot be saved.
    """
    shown = tracker.shown()
    session = tracker.segmenter.session()
    frame, history = shown.frame, tracker.memory_history
    stream = StreamHead(
        name=name,
        paused=paused,
        restarts=tracker.restarts,
        device_losses=list(tracker.device_losses),
        detected=tracker.detected,
        objects=[_object_head(sighting) for sighting in tracker.objects.sightings],
        free=tracker.objects.free,
        latest=FrameHead(index=frame.index, name=frame.name, time=frame.time, number=shown.result.frame),
        history=[_history_head(group) for group in history.groups],
        evictions=history.evictions,
    )
    head = session.head.model_copy(update={"stream": stream})
    arrays = {**session.arrays, IMAGE: frame.image, LABEL: shown.result.label}
    return Session(head, arrays, session.banks)


def resume(tracker: Tracker, session: Session) -> StreamHead:
    """Has a tracker go on where a stream was; returns the rest of its state.

    Raises:
        SessionError: it is a segmenter's alone, of another bundle or precision, or does not fit; everything
            is as it was. Also what `Segmenter.resume` raises.
    """
    stream = session.head.stream
    if stream is None:
        raise SessionError(
            "The session is a segmenter's alone: it has no names and no picture.",
            expected="a stream's, as `Pipeline.save`, --save-session or --sessions writes it",
            fix="Segmenter.restore(bundle, path)",
        )
    height, width = session.head.segmenter.source_hw
    image = session.array(IMAGE, (height, width, 3), np.uint8)
    label = session.array(LABEL, (height, width), np.uint8)
    objects, groups = _sightings(session), [_history(group) for group in stream.history]
    tracker.segmenter.resume(session)
    tracker.objects.resume(objects, stream.free)
    tracker.memory_history.resume(groups, stream.evictions)
    latest = Frame(stream.latest.index, stream.latest.name, image, stream.latest.time)
    known = tracker.objects.sightings
    result = FrameResult(stream.latest.number, label, tracker.segmenter.memory, objects=known)
    tracker.resume(
        SegmentedFrame(latest, result),
        restarts=stream.restarts,
        device_losses=stream.device_losses,
        detected=stream.detected,
    )
    return stream


def _object_head(sighting: Sighting) -> ObjectHead:
    return ObjectHead(**{**vars(sighting), "state": sighting.state.value})


def _sightings(session: Session) -> list[Sighting]:
    """Its objects, each once; every one that the segmenter follows is among them."""
    assert session.head.stream is not None
    found = []
    try:
        for head in session.head.stream.objects:
            check_name(head.name)
            found.append(Sighting(**{**head.model_dump(), "state": ObjectState(head.state)}))
    except ValueError as error:
        raise SessionError(f"An object of the session cannot be taken: {error}.") from error
    ids = [sighting.id for sighting in found]
    followed = session.head.segmenter.ids
    if len(set(ids)) != len(ids) or len(set(followed)) != len(followed) or not set(followed) <= set(ids):
        raise SessionError(f"The session follows the ids {sorted(followed)} and knows {sorted(ids)}.")
    return found


def _history_head(group: GroupHistory) -> HistoryHead:
    evictions = [
        EvictionHead(at=record.at, scored=ScoredHead(**asdict(record.scored)), reason=record.reason)
        for record in list(group.evictions)
    ]
    held = [ScoredHead(**asdict(scored)) for scored in group.held]
    return HistoryHead(group=group.group, ids=list(group.ids), held=held, evictions=evictions)


def _history(head: HistoryHead) -> GroupHistory:
    group = GroupHistory(head.group, list(head.ids), [_scored(scored) for scored in head.held])
    evictions = (EvictionRecord(e.at, _scored(e.scored), e.reason) for e in head.evictions)
    group.evictions = deque(evictions, maxlen=group.evictions.maxlen)
    return group


def _scored(head: ScoredHead) -> Scored:
    known: dict[str, Any] = head.model_dump()
    return Scored(**known)
