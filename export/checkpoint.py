"""Published checkpoints: read safely, matched to a network by key and shape, refused by name."""

from __future__ import annotations

import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ermu.errors import CheckpointError
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec, networks
from ermu.runtime.files import sha256_of

_IGNORED_SUFFIX = ".num_batches_tracked"


@dataclass(frozen=True)
class Checkpoint:
    """Weights by key, without a `module.` prefix.

    Attributes:
        path: The file.
        sha256: Of its bytes.
        weights: Tensors by state-dict key.
        spec: The network's description, where the file carries one (those that `ermu train` writes do).
    """

    path: Path
    sha256: str
    weights: dict[str, Tensor]
    spec: NetworkSpec | None = None


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint: a dict with the weights under `state_dict`, `model`, or bare.

    Raises:
        CheckpointError: the file is missing, truncated, not a checkpoint, or would have to run code to load.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}.",
            expected="a dict of tensors, as torch.save(state_dict)",
        )
    weights = next((content[k] for k in ("state_dict", "model") if isinstance(content.get(k), dict)), content)
    tensors = {k.removeprefix("module."): v for k, v in weights.items() if isinstance(v, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"{path} holds no tensors (its keys: {', '.join(map(str, list(content)[:5])) or 'none'}).",
            expected="weights under 'state_dict', 'model', or at the top",
        )
    spec = content.get("spec")
    return Checkpoint(path, sha256_of(path), tensors, NetworkSpec(**spec) if isinstance(spec, dict) else None)


def build_network(checkpoint: Checkpoint, spec: NetworkSpec) -> tuple[SegmentationNetwork, list[str]]:
    """The network in evaluation mode with the checkpoint's weights, and the keys that it does not know.

    Raises:
        CheckpointError: a weight is missing or has another shape; every such key is named.
    """
    network = SegmentationNetwork(spec).eval().requires_grad_(False)
    expected = network.state_dict()
    missing, misshapen = _mismatches(checkpoint.weights, expected)
    if missing or misshapen:
        raise _mismatch_error(checkpoint, spec, missing, misshapen)
    network.load_state_dict({k: checkpoint.weights[k].to(torch.float32) for k in expected})
    unknown = [k for k in checkpoint.weights if k not in expected and not k.endswith(_IGNORED_SUFFIX)]
    return network, unknown


def _load(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.", fix="give the path of a .pth file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not zipfile.is_zipfile(path):
            raise _damaged(path, error) from error
        raise CheckpointError(
            f"{path} needs arbitrary code to load, which is refused: {_refused_global(error)}.",
            expected="a checkpoint of plain tensors, readable with torch.load(weights_only=True)",
            fix="on a machine where you trust the file: "
            "torch.save({'state_dict': torch.load(path, weights_only=False)['state_dict']}, path)",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
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


def _mismatch_error(
    checkpoint: Checkpoint, spec: NetworkSpec, missing: list[str], misshapen: list[str]
) -> CheckpointError:
    found = [f"missing: {', '.join(missing)}"] if missing else []
    found += [f"misshapen: {'; '.join(misshapen)}"] if misshapen else []
    fitting = [name for name, other in networks().items() if _fits(checkpoint.weights, other)]
    if fitting:
        fix = f"--network {fitting[0]} fits this checkpoint"
    elif "mem_pos_emb" in missing:
        fix = (
            "a checkpoint without temporal embedding is of the aot-benchmark zoo: "
            "train from it with `ermu train`, it cannot be exported as it is"
        )
    else:
        fix = f"check that the file is one of: {', '.join(networks())}"
    return CheckpointError(
        f"{checkpoint.path} does not fit the network {spec.name}; {'; '.join(found)}",
        expected=f"every key of {spec.name} with its shape",
        fix=fix,
    )


def _fits(weights: dict[str, Tensor], spec: NetworkSpec) -> bool:
    with torch.device("meta"):
        expected = SegmentationNetwork(spec).state_dict()
    return not any(_mismatches(weights, expected))
