"""Memories that groups of objects share, in a session and back."""

from __future__ import annotations

from math import prod

from ermu.errors import KernelError, SessionError
from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import resolve
from ermu.runtime.memory.bank import BankContents
from ermu.runtime.memory.group import ObjectGroup, SavedGroup, memory_tensors
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
    saved = [group.saved() for group in groups]
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
    symbols, made = groups.workspace.symbols, list[ObjectGroup]()
    for g, (head, bank) in enumerate(zip(session.head.segmenter.groups, session.banks, strict=True)):
        policy = POLICIES.get(options.policy)(backend.bundle.group_manifest.score)
        group = ObjectGroup(backend, groups.workspace, head.number, [], policy, options)
        contents = bank()
        _check_bank(backend.bundle.manifest, contents, symbols)
        entry = having([backend.graphs[name] for name in backend.plan.graphs], Role.ENTRY)
        previous = {
            t.name: session.array(f"group{g}/previous/{t.name}", resolve(t.shape, symbols), t.dtype)
            for t in entry
        }
        known = head.model_dump(exclude={"frames"})
        try:
            group.resume(SavedGroup(**known, previous=previous, bank=given(contents)))
        except (KeyError, TypeError, ValueError, KernelError) as error:
            raise SessionError(f"Group {head.number} of the session cannot be taken: {error}.") from error
        made.append(group)
    (decoded,) = backend.graphs[backend.group_plan.decode].outputs
    shape = (len(made), *resolve(decoded.shape, symbols))
    groups.resume(made, session.array("logits", shape, decoded.dtype))


def _check_bank(manifest: Manifest, contents: BankContents, symbols: dict[str, int]) -> None:
    """Every memory tensor is there, as numbers or as codes, at this size."""
    for t in memory_tensors(manifest):
        shape = resolve(t.shape, {**symbols, "T": len(contents.frames)})
        found = contents.tensors.get(t.name)
        if found is None and t.block is not None and t.block < len(contents.codes):
            half = [getattr(slot, str(t.kind and t.kind.value)) for slot in contents.codes[t.block]]
            fits = all(part.shape == (prod(shape[1:-1]), shape[-1]) for part in half)
        else:
            fits = found is not None and found.shape == shape and found.dtype.kind == "f"
        if not fits:
            raise SessionError(f"The session's {t.name} does not fit.", expected=f"{t.dtype} {shape}")
