"""Published checkpoints: read safely, matched to a network by key and shape, refused by name."""

from __future__ import annotations

import logging
import pickle
import re
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ermu.errors import CheckpointError, DependencyError
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec, networks
from ermu.export.state_dict import extraction, find_state_dicts, free_name, plain_copy
from ermu.runtime.files import sha256_of

_IGNORED_SUFFIX = ".num_batches_tracked"
_SPEC = {field.name for field in fields(NetworkSpec)}
_TEMPORAL = {"cur_pos_emb", "mem_pos_emb"}


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
    described = NetworkSpec(**spec) if isinstance(spec, dict) and set(spec) == _SPEC else None
    return Checkpoint(path, sha256_of(path), taken.weights, described, taken.place)


def build_network(checkpoint: Checkpoint, spec: NetworkSpec) -> tuple[SegmentationNetwork, list[str]]:
    """The network in evaluation mode with the checkpoint's weights, and the keys that it does not know.

    Raises:
        CheckpointError: a weight is missing, has another shape or is not finite; every such key is named.
    """
    network = SegmentationNetwork(spec).eval().requires_grad_(False)
    expected = network.state_dict()
    missing, misshapen = _mismatches(checkpoint.weights, expected)
    if missing or misshapen:
        raise _mismatch_error(checkpoint, spec, missing, misshapen)
    _check_finite(checkpoint, expected)
    network.load_state_dict({k: checkpoint.weights[k].to(torch.float32) for k in expected})
    unknown = [k for k in checkpoint.weights if k not in expected and not k.endswith(_IGNORED_SUFFIX)]
    return network, unknown


def _load(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.", fix="give the path of a .pth file")
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
        f"{path} cannot be read ({path.stat().st_size} bytes; {_first_line(error)}).",
        expected="a whole file written by torch.save",
        fix="download it again: it is probably truncated or not a checkpoint",
    )


def _refused_global(error: Exception) -> str:
    named = re.search(r"GLOBAL (\S+)", str(error))
    return f"it holds a {named[1]}" if named else _first_line(error)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _mismatches(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    missing = [k for k in expected if k not in weights]
    misshapen = [
        f"{k} is {tuple(weights[k].shape)}, not {tuple(v.shape)}"
        for k, v in expected.items()
        if k in weights and weights[k].shape != v.shape
    ]
    return missing, misshapen


def _check_finite(checkpoint: Checkpoint, expected: dict[str, Tensor]) -> None:
    broken = []
    for key in expected:
        weight = checkpoint.weights[key]
        count = int((~torch.isfinite(weight)).sum())
        if count:
            broken.append(f"{key} ({count} of {weight.numel()} values)")
    if broken:
        raise CheckpointError(
            f"{checkpoint.path} holds weights that are NaN or infinite: {', '.join(broken)}.",
            expected="finite numbers",
            fix="take a checkpoint from before its training diverged",
        )


def _mismatch_error(
    checkpoint: Checkpoint, spec: NetworkSpec, missing: list[str], misshapen: list[str]
) -> CheckpointError:
    known = networks()
    found = [f"missing: {', '.join(missing)}"] if missing else []
    found += [f"misshapen: {'; '.join(misshapen)}"] if misshapen else []
    place = "" if checkpoint.place == "the top" else f" (weights under {checkpoint.place})"
    fitting = [name for name, other in known.items() if _lacks(checkpoint.weights, other) == set()]
    untimed = [name for name, other in known.items() if _lacks(checkpoint.weights, other) == _TEMPORAL]
    if fitting:
        fix = f"--network {fitting[0]} fits this checkpoint"
    elif untimed:
        fix = (
            f"it is {untimed[0]} without temporal embedding, as in the aot-benchmark zoo: "
            "train from it with `ermu train`, it cannot be exported as it is"
        )
    else:
        fix = f"check that the file is one of: {', '.join(known)}"
    if len(missing) == len(SegmentationNetwork(spec).state_dict()):
        shown = ", ".join(list(checkpoint.weights)[:5])
        found = [f"it has none of its keys, but {len(checkpoint.weights)} others: {shown}, ..."]
    return CheckpointError(
        f"{checkpoint.path} does not fit the network {spec.name}{place}; {'; '.join(found)}",
        expected=f"every key of {spec.name} with its shape",
        fix=fix,
    )


def _lacks(weights: dict[str, Tensor], spec: NetworkSpec) -> set[str] | None:
    """What weights lack to be a network's; None where some have another shape."""
    with torch.device("meta"):
        expected = SegmentationNetwork(spec).state_dict()
    missing, misshapen = _mismatches(weights, expected)
    return None if misshapen else set(missing)
