"""What a graph's tensors are for: the one place that says it, so that nothing has to read names."""

from __future__ import annotations

from enum import Enum


class Role(str, Enum):
    """The role of a graph's input or output in the frame loop.

    A tensor has one role in all graphs that touch it. Those marked (block) belong to one propagation block;
    of these, `MEMORY`, `PREVIOUS` and `ENTRY` come as a key and a value. Those marked (object) are each one
    tensor, in networks that follow every object by itself.
    """

    INPUT = "input"  # written by the runtime: image, identity tokens, temporal rows
    FEATURES = "features"  # made once a frame, read by every group: the encoder's maps, the block-0 prefix
    MEMORY = "memory"  # (block) the bank's slots, leading axis T; `source` is the entry that fills a slot
    PREVIOUS = "previous"  # (block) the previous frame's memory; `source` is the entry it was
    ENTRY = "entry"  # (block) what a frame leaves behind: for the bank, for the next frame, or for both
    CARRY = "carry"  # (block) from `propagate` to `memorize`, until the frame's label is known
    STATE = "state"  # from one part of a propagation to a later one
    QUERY = "query"  # (block) what attends to the bank: q + cur
    BIAS = "bias"  # (block) of local attention: one logit a head, token and place in the window
    MEMORY_READOUT = "memory_readout"  # (block) what attention on the bank returns
    LOCAL_READOUT = "local_readout"  # (block) what attention in a window of the previous frame returns
    OUTPUT = "output"  # of the network: the decoder's input z, the logits

    UNCONDITIONED = "unconditioned"  # (object) features as if they had met a memory, where there is none yet
    CONDITIONED = "conditioned"  # (object) features that have met the memories
    MEMORIES = "memories"  # (object) memory frames, leading axis T
    MEMORY_ROWS = "memory_rows"  # (object) a row of the manifest's table for each memory frame, by its age
    MEMORY_QUERIES = (
        "memory_queries"  # (object) what attends to them first, as many at a time as their tokens
    )
    MEMORY_KEYS = "memory_keys"  # (object) what of them is attended to first, leading axis T
    MEMORIZED = "memorized"  # (object) what a frame leaves behind: one of `MEMORIES`
    POINTERS = "pointers"  # (object) pointers of earlier frames, leading axis P
    POINTER_AGES = "pointer_ages"  # (object) frames since each of them
    POINTER = "pointer"  # (object) what a frame adds to them
    LOGITS = "logits"  # (object) of the object at stride 4
    PRESENCE = "presence"  # (object) the logit of its being on the frame
    MASK = "mask"  # (object) where it is, 0 or 1, at network size
    POINTS = "points"  # (object) clicks, x and y in pixels of the network's input, leading axis K
    POINT_SIGNS = "point_signs"  # (object) what each is: 1 on it, 0 not on it, 2 and 3 a box's corners


class Kind(str, Enum):
    """Which half of a memory a tensor is."""

    KEY = "key"
    VALUE = "value"


# What a tensor must say of itself beside its role.
_MEMORIES = ("block", "kind", "source")
NEEDED: dict[Role, tuple[str, ...]] = {
    Role.MEMORY: _MEMORIES,
    Role.PREVIOUS: _MEMORIES,
    Role.ENTRY: ("block", "kind"),
    Role.CARRY: ("block",),
    Role.QUERY: ("block",),
    Role.BIAS: ("block",),
    Role.MEMORY_READOUT: ("block",),
    Role.LOCAL_READOUT: ("block",),
}
