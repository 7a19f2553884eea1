"""Where the weights lie in a checkpoint: under which keys, behind which prefix, in how many copies."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ermu.errors import CheckpointError

# Keys that every network has: what stands before them is a prefix.
_LANDMARKS = (
    "patch_wise_id_bank.weight",
    "decoder.conv_in.conv.weight",
    "decoder.conv_out.weight",
    "decoder.conv_out.bias",
)
_COMPILED = "_orig_mod."  # torch.compile, wherever in the key the compiled module is
_AVERAGE = re.compile(r"(^|[._])(ema|average|averaged|avg|shadow|swa|teacher)([._]|$)")
_DEPTH = 4


@dataclass(frozen=True)
class StateDict:
    """One copy of a network's weights in a checkpoint.

    Attributes:
        keys: Of the nested dicts that lead to it.
        prefix: That was taken off its keys.
        weights: Tensors by key.
    """

    keys: tuple[str, ...]
    prefix: str
    weights: dict[str, Tensor]

    @property
    def place(self) -> str:
        """How a message names it."""
        return ".".join((*self.keys, self.prefix.rstrip("."))).strip(".") or "the top"

    @property
    def average(self) -> bool:
        """Whether its name says that it is a moving average of another copy."""
        return _AVERAGE.search(self.place) is not None


def find_state_dicts(content: dict[Any, Any], path: Path) -> list[StateDict]:
    """Every copy of the weights, the one to take first: none but an average goes behind an average.

    A checkpoint of another network has no such copy: then it is the first dict with tensors in.

    Raises:
        CheckpointError: it holds no tensors.
    """
    found = list(_with_tensors(content, ()))
    if not found:
        raise CheckpointError(
            f"{path} holds no tensors (its keys: {', '.join(map(str, list(content)[:5])) or 'none'}).",
            expected="weights under 'state_dict', 'model', or at the top",
        )
    copies = [copy for keys, tensors in found for copy in _copies(keys, tensors)]
    if not copies:
        keys, tensors = found[0]
        return [StateDict(keys, "", {k.removeprefix("module."): v for k, v in tensors.items()})]
    return sorted(copies, key=lambda copy: (copy.average, len(copy.keys)))


def extraction(copy: StateDict, source: Path, target: Path) -> str:
    """A command that writes one copy to a file of its own."""
    inside = "".join(f"[{key!r}]" for key in copy.keys)
    taken = f"{{k.removeprefix({copy.prefix!r}): v for k, v in c{inside}.items()}}"
    code = (
        f"import torch; c = torch.load({str(source)!r}, map_location='cpu', weights_only=True); "
        f"torch.save({{'state_dict': {taken}, 'spec': c.get('spec')}}, {str(target)!r})"
    )
    return f"python -c {shlex.quote(code)}"


def plain_copy(source: Path, target: Path) -> str:
    """A command that writes a checkpoint anew without whatever needs code to load; it runs that code."""
    code = (
        "import torch; "
        "plain = lambda d: {k: plain(v) if isinstance(v, dict) else v for k, v in d.items() "
        "if isinstance(v, (dict, torch.Tensor)) or type(v) in (str, int, float, bool)}; "
        f"c = torch.load({str(source)!r}, map_location='cpu', weights_only=False); "
        "c = c.state_dict() if hasattr(c, 'state_dict') else c; "
        f"torch.save(plain(c), {str(target)!r})"
    )
    return f"python -c {shlex.quote(code)}"


def free_name(path: Path, word: str) -> Path:
    """A path beside a file, named after it, where nothing lies yet."""
    names = [f"{path.stem}-{word}", *(f"{path.stem}-{word}-{n}" for n in range(2, 100))]
    free = (path.with_name(f"{name}.pth") for name in names)
    return next(
        (place for place in free if not place.exists()), path.with_name(f"{path.stem}-{word}-new.pth")
    )


def _with_tensors(
    content: dict[Any, Any], keys: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        yield keys, tensors
    if len(keys) < _DEPTH:
        usual = sorted(content, key=lambda k: k not in ("state_dict", "model"))  # stable: else as stored
        for key in usual:
            if isinstance(key, str) and isinstance(content[key], dict):
                yield from _with_tensors(content[key], (*keys, key))


def _copies(keys: tuple[str, ...], tensors: dict[str, Tensor]) -> Iterator[StateDict]:
    """The copies in one dict: one a prefix, and the keys that are behind none with the first."""
    marks = Counter(
        key[: -len(mark)] for key in tensors for mark in _LANDMARKS if key == mark or key.endswith(f".{mark}")
    )
    prefixes = [prefix for prefix, count in marks.items() if count == max(marks.values())]
    for n, prefix in enumerate(prefixes):
        others = [other for other in prefixes if other.startswith(prefix) and other != prefix]
        own = {k: v for k, v in tensors.items() if k.startswith(prefix) and not k.startswith(tuple(others))}
        taken = {k.removeprefix(prefix).replace(_COMPILED, ""): v for k, v in own.items()}
        strays = {} if n else {k: v for k, v in tensors.items() if not k.startswith(tuple(prefixes))}
        yield StateDict(keys, prefix, {**strays, **taken})
