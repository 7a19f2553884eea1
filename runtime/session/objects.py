"""Memories of single objects, in a session and back."""

from __future__ import annotations

from ermu.errors import SessionError
from ermu.runtime.memory.objects.object_set import ObjectSet
from ermu.runtime.memory.objects.tracked import SavedObject
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.session.head import TrackedHead
from ermu.runtime.session.kept import Kept
from ermu.runtime.session.session import Session
from ermu.types import Array

_FIELDS = ("number", "id", "prompted", "remembered", "last_append", "frames", "pointer_frames", "policy")


def keep_objects(objects: ObjectSet) -> Kept:
    """What a session has of them."""
    saved = objects.saved()
    arrays: dict[str, Array] = {}
    for i, each in enumerate(saved):
        arrays |= {f"object{i}/memory": each.memory, f"object{i}/pointers": each.pointers}
    heads = [TrackedHead(**{name: getattr(each, name) for name in _FIELDS}) for each in saved]
    return Kept(arrays, objects=heads)


def resume_objects(objects: ObjectSet, session: Session, options: MemoryOptions) -> None:
    """Makes the session's objects anew and gives them to a set of none.

    Raises:
        SessionError: they do not fit.
        BackendError: there is not enough memory.
    """
    memory, pointer = objects.shapes
    saved = []
    for i, head in enumerate(session.head.segmenter.objects):
        held = session.array(f"object{i}/memory", (len(head.frames), *memory), "float32")
        pointers = session.array(f"object{i}/pointers", (len(head.pointer_frames), *pointer), "float32")
        saved.append(SavedObject(**head.model_dump(), memory=held, pointers=pointers))
    ids = [each.id for each in saved]
    if len(set(ids)) != len(ids):
        raise SessionError(f"The session follows an id twice: {sorted(ids)}.")
    shape = objects.logits_shape(len(saved))
    try:
        objects.resume(saved, session.array("logits", shape, "float32"), options)
    except ValueError as error:
        raise SessionError(f"An object of the session cannot be taken: {error}.") from error
