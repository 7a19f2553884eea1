"""Published checkpoints, read safely: whatever wraps the weights, and nothing that would run code."""

from __future__ import annotations

import logging
import pickle
import re
import zipfile
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ermu.errors import CheckpointError, DependencyError
from ermu.export.network.spec import NetworkSpec
from ermu.export.state_dict import extraction, find_state_dicts, free_name, plain_copy
from ermu.export.transformers_video.whereabouts import check_is_there
from ermu.runtime.files import sha256_of

_SPEC = {field.name for field in fields(NetworkSpec)}
_NEEDED = {field.name for field in fields(NetworkSpec) if field.default is MISSING}

logger = logging.getLogger("ermu.export")


@dataclass(frozen=True)
class Checkpoint:
    """Weights by key, without a prefix that a wrapper has left (`module.`, `_orig_mod.`, `model.`).

    Attributes:
        path: The file.
        sha256: Of its bytes.
        weights: Tensors by state-dict key.
        spec: The network's description, where the file carries one (those that `ermu train` writes do).
        place: Where in the file the weights lie: keys and prefix.
    """

    path: Path
    sha256: str
    weights: dict[str, Tensor]
    spec: NetworkSpec | None = None
    place: str = "the top"


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint: a dict with the weights in it, however deep, or a file of `safetensors`.

    Of several copies of the weights one that is no moving average is taken, and the log says so.

    Raises:
        CheckpointError: the file is missing, truncated, not a checkpoint, or would have to run code to load.
        DependencyError: it is one of `safetensors`, and that package is not installed.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}.",
            expected="a dict of tensors, as torch.save(state_dict)",
        )
    taken, *others = find_state_dicts(content, path)
    for other in others:
        logger.warning(
            "%s holds the weights under %s, which are taken, and another copy under %s. To export that: %s",
            path,
            taken.place,
            other.place,
            extraction(other, path, free_name(path, other.place.replace(".", "-"))),
        )
    spec = content.get("spec")
    described = None
    if isinstance(spec, dict) and _NEEDED <= set(spec) <= _SPEC:
        described = NetworkSpec(**spec)
    return Checkpoint(path, sha256_of(path), taken.weights, described, taken.place)


def _load(path: Path) -> Any:
    check_is_there(path)
    if _is_safetensors(path):
        return _load_safetensors(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not zipfile.is_zipfile(path):
            raise _damaged(path, error) from error
        raise CheckpointError(
            f"{path} needs arbitrary code to load, which is refused: {_refused_global(error)}.",
            expected="a checkpoint of plain tensors, readable with torch.load(weights_only=True)",
            fix="where you trust the file, write a plain copy of it and export that: "
            + plain_copy(path, free_name(path, "plain")),
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error


def _is_safetensors(path: Path) -> bool:
    """By its name, or by its beginning: the length of a JSON header in eight bytes, and the header."""
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (head[8:] == b"{" and not zipfile.is_zipfile(path))


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise DependencyError("safetensors", f"Reading {path}", "export") from error
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} is no checkpoint that torch can read: {_first_line(error)}.",
        expected="a whole file written by torch.save",
        fix=f"download it again: its {path.stat().st_size:,} bytes are truncated or something else",
    )


def _refused_global(error: Exception) -> str:
    named = re.search(r"GLOBAL (\S+)", str(error))
    return f"it holds a {named[1]}" if named else _first_line(error)


def _first_line(error: Exception) -> str:
    """What went wrong in a sentence; some of Python's errors say a number and nothing else."""
    line = next(iter(str(error).strip().splitlines()), "").partition(". ")[0][:200]
    return line if " " in line else f"{type(error).__name__} {line}".rstrip()
