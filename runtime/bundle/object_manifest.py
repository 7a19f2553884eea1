"""The manifest of networks that follow every object by itself, with a memory of its own: SAM 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from ermu.runtime.bundle.manifest import WHOLE, Manifest, Plan
from ermu.runtime.bundle.roles import Role

_FOUND = {Role.LOGITS, Role.PRESENCE, Role.POINTER}
# What each graph of a plan reads beside features, and what it makes.
SIGNATURES: dict[str, tuple[set[Role], set[Role]]] = {
    "encode": ({Role.INPUT}, {Role.UNCONDITIONED}),
    "recall": ({Role.MEMORIES, Role.MEMORY_ROWS, Role.POINTERS, Role.POINTER_AGES}, {Role.CONDITIONED}),
    "segment": ({Role.CONDITIONED}, _FOUND),
    "point": ({Role.CONDITIONED, Role.POINTS, Role.POINT_SIGNS}, _FOUND),
    "label": ({Role.MASK}, _FOUND),
    "memorize": ({Role.LOGITS, Role.PRESENCE}, {Role.MEMORIZED}),
    "memorize_prompt": ({Role.MASK, Role.PRESENCE}, {Role.MEMORIZED}),
    "score": ({Role.MEMORIES, Role.MEMORY_ROWS}, {Role.MEMORY_QUERIES, Role.MEMORY_KEYS}),
}


class ObjectPlan(Plan):
    """How to run such a network; all graphs but `encode` serve one object at a time.

    Attributes:
        encode: An image to the features that all objects share.
        recall: What the object's memories and pointers make of the features.
        segment: Where the object is, without a prompt: logits, presence and pointer.
        point: The same, given clicks or a box.
        label: The same of a frame on which a mask says where it is.
        memorize: A segmented frame to what is remembered of it.
        memorize_prompt: The same of a frame with a prompt, whose mask is taken as certain.
        score: Queries and keys of the first attention on memory frames, for policies that score them; a
            bundle may lack it.
    """

    recall: str
    segment: str
    point: str
    label: str
    memorize: str
    memorize_prompt: str
    score: str | None = None

    @property
    def graphs(self) -> tuple[str, ...]:
        """See `Plan.graphs`."""
        found = (self.recall, self.segment, self.point, self.label)
        scored = () if self.score is None else (self.score,)
        return (*self.once, *found, self.memorize, self.memorize_prompt, *scored)


class ObjectManifest(Manifest):
    """The whole of such a manifest.json.

    Attributes:
        memory_rows: What tells memory frames apart by age, a row of the entry's width each: row k - 1 for the
            frame that is the k-th newest of those without a prompt, the last row for one with a prompt.
        most_pointers: Pointers that a frame reads beside those of frames with a prompt, and one.
    """

    kind: Literal["object"]
    plans: Mapping[str, ObjectPlan]
    memory_rows: tuple[tuple[float, ...], ...] = Field(min_length=2)
    most_pointers: int = Field(ge=1)

    @model_validator(mode="after")
    def _fits(self) -> ObjectManifest:
        """One plan and size, rows of one width, and graphs that read and make what they should."""
        if list(self.plans) != [WHOLE]:
            raise ValueError(f"plans are {', '.join(self.plans) or 'none'}, expected {WHOLE} alone")
        if self.input.size is None:
            raise ValueError("input.size is missing, and such networks have one size")
        if self.memory.capacity > len(self.memory_rows):
            raise ValueError(
                f"memory.capacity is {self.memory.capacity}, with {len(self.memory_rows)} memory_rows"
            )
        if len({len(row) for row in self.memory_rows}) != 1:
            raise ValueError("memory_rows are of different widths")
        for field, (reads, makes) in SIGNATURES.items():
            name = getattr(self.plans[WHOLE], field)
            if name is None:
                continue
            graph = self.graphs[name]
            for way, tensors, wanted in (("reads", graph.inputs, reads), ("makes", graph.outputs, makes)):
                found = sorted(t.role.value for t in tensors if t.role is not Role.FEATURES)
                if found != sorted(role.value for role in wanted):
                    expected = ", ".join(sorted(role.value for role in wanted))
                    raise ValueError(f"{field} {way} {', '.join(found) or 'nothing'}, expected {expected}")
        return self

    @property
    def constants(self) -> dict[str, Any]:
        """See `Manifest.constants`."""
        return {"memory_rows": self.memory_rows, "most_pointers": self.most_pointers}
