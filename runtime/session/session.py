"""A session in memory: taken between two frames, written later and in any thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ermu.errors import SessionError
from ermu.kernels.base.attention import SlotCodes
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.files import shown
from ermu.runtime.memory.bank import BankContents
from ermu.runtime.session.format import read_file, write_file
from ermu.runtime.session.head import GroupHead, Head
from ermu.types import Array

_BANKS = re.compile(r"group\d+/(bank|codes\d+)/")
_CODES = {"int8": np.dtype(np.int8), "bf16": np.dtype(np.uint16)}  # as codes lie in the file


@dataclass(frozen=True)
class Session:
    """All that a segmenter, or a stream, remembers.

    Attributes:
        head: What is no array.
        arrays: By name, without the banks'.
        banks: A group's each; made when called, so that what takes long is not done between two frames.
    """

    head: Head
    arrays: dict[str, Array]
    banks: list[Callable[[], BankContents]] = field(repr=False)

    def write(self, path: str | Path) -> None:
        """Writes its file, whole or not at all.

        Raises:
            SinkError: the disk is full or the folder cannot be written; what was there is as it was.
        """
        arrays = dict(self.arrays)
        for g, bank in enumerate(self.banks):
            arrays.update(_bank_arrays(f"group{g}/", bank()))
        write_file(Path(path), self.head.model_dump(mode="json"), arrays)

    @classmethod
    def read(cls, path: str | Path, *, called: str | None = None) -> Session:
        """A session from its file, checked as far as can be without a bundle.

        Args:
            path: Of the file.
            called: What errors call it; default, its path.

        Raises:
            SessionError: there is none, or it is truncated, altered, foreign or of another version.
        """
        path, name = Path(path), called or shown(path)
        said, arrays = read_file(path, name)
        try:
            head = Head.model_validate(said)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SessionError(f"{name}: field {where}: {first['msg']}.") from error
        own = {name: arrays.pop(name) for name in list(arrays) if not _BANKS.match(name)}
        groups, attention = head.segmenter.groups, head.segmenter.attention
        banks = [_bank(f"group{g}/", group, arrays, attention) for g, group in enumerate(groups)]
        return cls(head, own, [given(bank) for bank in banks])

    @classmethod
    def of(cls, session: Session | str | Path) -> Session:
        """A session, or the one in a file; raises as `read`."""
        return session if isinstance(session, Session) else cls.read(session)

    def check_for(self, bundle: Bundle) -> None:
        """Refuses another bundle, and another precision of it.

        Raises:
            SessionError: it is another's.
        """
        head, manifest = self.head, bundle.manifest
        if head.bundle != bundle.fingerprint:
            raise SessionError(
                f"The session is of another bundle: network {head.network}, {head.bundle[:16]}...",
                expected=f"{manifest.network.name}, {bundle.fingerprint[:16]}..., as {bundle.path} is",
                fix="--bundle with the one that it was saved with; another one remembers other numbers",
            )
        if head.precision != manifest.precision:
            raise SessionError(
                f"The session is of precision {head.precision}.",
                expected=f"{manifest.precision}, at which the bundle is open",
                fix=f"--precision {head.precision}",
            )

    def array(self, name: str, shape: Sequence[int], dtype: np.typing.DTypeLike) -> Array:
        """An array of a shape; its numbers are cast.

        Raises:
            SessionError: there is none, or it has another shape or kind.
        """
        found = self.arrays.get(name)
        kind = np.dtype(dtype).kind
        if found is None or found.shape != tuple(shape) or found.dtype.kind != kind:
            what = "none" if found is None else f"{found.dtype} {found.shape}"
            raise SessionError(
                f"The session's {name} is {what}.", expected=f"{np.dtype(dtype)} {tuple(shape)}"
            )
        return found.astype(dtype, copy=False)


def names_in(session: Session) -> dict[int, str | None]:
    """Names of the objects that a session follows, by id; None where it is a segmenter's alone."""
    stream = session.head.stream
    known = {each.id: each.name for each in stream.objects} if stream is not None else {}
    return {i: known.get(i) for i in session.head.segmenter.ids}


def given(bank: BankContents) -> Callable[[], BankContents]:
    """A bank's contents as one that makes them gives them."""
    return lambda: bank


def _bank_arrays(prefix: str, bank: BankContents) -> dict[str, Array]:
    """A bank's arrays by name; codes of a narrow cache as narrow as they are, T slots in one array."""
    arrays = {f"{prefix}bank/{name}": array for name, array in bank.tensors.items()}
    for block, slots in enumerate(bank.codes):
        for name in vars(slots[0]):
            stacked = np.stack([getattr(slot, name) for slot in slots])
            if name in ("key", "value"):
                stacked = _coded(stacked, bank.precision)
            arrays[f"{prefix}codes{block}/{name}"] = stacked
    return arrays


def _bank(prefix: str, group: GroupHead, arrays: Mapping[str, Array], attention: str) -> BankContents:
    """The same from a file; whether shapes fit is for the bank to say."""
    frames = list(group.frames)
    tensors = {
        name.removeprefix(f"{prefix}bank/"): array
        for name, array in arrays.items()
        if name.startswith(f"{prefix}bank/")
    }
    blocks: list[list[SlotCodes]] = []
    while f"{prefix}codes{len(blocks)}/key" in arrays:
        blocks.append(_slots(f"{prefix}codes{len(blocks)}/", arrays, len(frames), attention))
    if len(set(frames)) != len(frames) or any(len(array) != len(frames) for array in tensors.values()):
        raise SessionError(f"A bank of the session does not hold its {len(frames)} frames.")
    return BankContents(frames, tensors, blocks, attention)


def _slots(prefix: str, arrays: Mapping[str, Array], slots: int, attention: str) -> list[SlotCodes]:
    fields = {name: arrays.get(f"{prefix}{name}") for name in SlotCodes.__dataclass_fields__}
    found = {name: array for name, array in fields.items() if array is not None and len(array) == slots}
    if len(found) != len(fields) or attention not in _CODES:
        raise SessionError(
            "A bank of the session lacks codes.", expected=f"{', '.join(fields)} of {slots} slots"
        )
    for name in ("key", "value"):
        if found[name].dtype != _CODES[attention]:
            raise SessionError(f"Codes of the session are {found[name].dtype}.", expected=attention)
        found[name] = _decoded(found[name], attention)
    return [SlotCodes(**{name: array[slot] for name, array in found.items()}) for slot in range(slots)]


def _coded(codes: Array, precision: str) -> Array:
    if precision == "int8":
        return codes.astype(np.int8)
    return (codes.view(np.uint32) >> 16).astype(np.uint16)  # bf16: the upper half of a float32


def _decoded(codes: Array, precision: str) -> Array:
    if precision == "int8":
        return codes.astype(np.float32)
    return (codes.astype(np.uint32) << 16).view(np.float32)
