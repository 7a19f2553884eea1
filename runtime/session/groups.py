"""Memories that groups of objects share, in a session and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod

from ermu.errors import KernelError, SessionError
from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import resolve
from ermu.runtime.memory.bank import BankContents
from ermu.runtime.memory.cohorts.cohort import Cohort, memory_tensors
from ermu.runtime.memory.group import ObjectGroup, SavedGroup
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.groups import GroupSet
from ermu.runtime.memory.workspace import having
from ermu.runtime.session.head import GroupHead
from ermu.runtime.session.kept import Kept
from ermu.runtime.session.session import Session, given

_FIELDS = ("number", "channel_ids", "began", "untouched", "trusted", "last_append", "policy")


def keep_groups(groups: GroupSet) -> Kept:
    """What a session has of them.

    Raises:
        StateError: a policy cannot be saved.
    """
    saved = [cohort.saved(group) for cohort in groups.cohorts for group in cohort.groups]
    heads = [
        GroupHead(
            **{name: getattr(group, name) for name in _FIELDS},
            tracks_redundancy=group.tracks_redundancy,
            frames=list(held.bank.slot_frames),
        )
        for group, held in zip(saved, groups, strict=True)
    ]
    arrays = {
        f"group{g}/previous/{name}": array
        for g, group in enumerate(saved)
        for name, array in group.previous.items()
    }
    return Kept(arrays, groups=heads, banks=[group.bank for group in saved])


def resume_groups(groups: GroupSet, backend: Backend, session: Session, options: MemoryOptions) -> None:
    """Makes the session's groups anew and gives them to a set of none.

    Raises:
        SessionError: they do not fit.
        BackendError: there is not enough memory.
    """
    symbols, heads = groups.workspace.symbols, session.head.segmenter.groups
    cohorts = _opened(groups, backend, heads, options)
    made = [(cohort, group) for cohort in cohorts for group in cohort.groups]
    for g, ((cohort, group), head) in enumerate(zip(made, heads, strict=True)):
        contents = session.banks[g]()
        _check_bank(backend.bundle.manifest, contents, symbols)
        entry = having([backend.graphs[name] for name in backend.plan.graphs], Role.ENTRY)
        previous = {
            t.name: session.array(f"group{g}/previous/{t.name}", resolve(t.shape[1:], symbols), t.dtype)
            for t in entry
        }
        known = head.model_dump(exclude={"frames"})
        try:
            cohort.resume(group, SavedGroup(**known, previous=previous, bank=given(contents)))
        except (KeyError, TypeError, ValueError, KernelError) as error:
            raise SessionError(f"Group {head.number} of the session cannot be taken: {error}.") from error
    (decoded,) = backend.graphs[backend.group_plan.decode].outputs
    shape = resolve(decoded.shape, {**symbols, "G": len(made)})
    groups.resume(cohorts, session.array("logits", shape, decoded.dtype))


def _opened(
    groups: GroupSet, backend: Backend, heads: Sequence[GroupHead], options: MemoryOptions
) -> list[Cohort]:
    """Empty groups for a session's: neighbours that hold as many, and append at the same time, run as one."""
    cohorts = list[Cohort]()
    for _, together in groupby(heads, lambda head: (len(head.frames), head.last_append, head.trusted)):
        policies = ((head, POLICIES.get(options.policy)) for head in together)
        score = backend.bundle.group_manifest.score
        made = [ObjectGroup(head.number, [], policy(score), options) for head, policy in policies]
        cohorts += groups.opened(made)
    return cohorts


def _check_bank(manifest: Manifest, contents: BankContents, symbols: dict[str, int]) -> None:
    """Every memory tensor is there, as numbers or as codes, at this size."""
    for t in memory_tensors(manifest):
        shape = resolve(t.shape[1:], {**symbols, "T": len(contents.frames)})
        found = contents.tensors.get(t.name)
        if found is None and t.block is not None and t.block < len(contents.codes):
            half = [getattr(slot, str(t.kind and t.kind.value)) for slot in contents.codes[t.block]]
            fits = all(part.shape == (prod(shape[1:-1]), shape[-1]) for part in half)
        else:
            fits = found is not None and found.shape == shape and found.dtype.kind == "f"
        if not fits:
            raise SessionError(f"The session's {t.name} does not fit.", expected=f"{t.dtype} {shape}")
