"""A folder as transformers publishes a network: config.json, and weights in safetensors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermu.errors import CheckpointError, DependencyError
from ermu.export.transformers_video.preprocessing import described_by
from ermu.export.transformers_video.whereabouts import CONFIG
from ermu.runtime.files import sha256_of

if TYPE_CHECKING:
    from torch import Tensor

DTYPES = ("F32", "F16", "BF16")  # as safetensors writes them; graphs are float32
COUNTER = "num_batches_tracked"  # of a batch norm, whole numbers that no network reads
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
_LFS = b"version https://git-lfs.github.com/spec/"
_PUBLISHED = "such as facebook/sam2.1-hiera-tiny, -small, -base-plus or -large"
_EXPECTED = f"a folder with config.json and {WEIGHTS}, {_PUBLISHED}"


@dataclass(frozen=True)
class PublishedFolder:
    """What lies in such a folder; weights are read when they are asked for.

    Attributes:
        path: The folder.
        config: config.json.
        files: Of the weights, in the order of their names.
    """

    path: Path
    config: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The folder's."""
        return self.path.resolve().name

    @property
    def model_type(self) -> str:
        """What config.json says the network is; empty where it says nothing."""
        return str(self.config.get("model_type") or "")

    def sha256(self) -> str:
        """Of what `sha256sum` prints of config.json, of what describes the preprocessing, and of weights."""
        described = described_by(self.path)
        files = (self.path / CONFIG, *([described] if described else []), *self.files)
        lines = (f"{sha256_of(file)}  {file.name}\n" for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def weights(self) -> dict[str, Tensor]:
        """Tensors by key, float32, without counters.

        Raises:
            CheckpointError: a file is damaged, or has a tensor that is not of `DTYPES`.
            DependencyError: safetensors is not installed.
        """
        return {key: tensor for file in self.files for key, tensor in _read(file).items()}


def read_folder(path: Path) -> PublishedFolder:
    """What lies in a folder.

    Raises:
        CheckpointError: config.json or the weights are missing, or config.json is damaged.
    """
    config = path / CONFIG
    if not config.is_file():
        raise CheckpointError(
            f"{path} has no config.json.",
            expected=_EXPECTED,
            fix="download the whole folder, or give the path of a checkpoint's file",
        )
    try:
        content = json.loads(config.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise _damaged(config, error) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{config} holds a {type(content).__name__}.", expected="a JSON object")
    return PublishedFolder(path, content, _weight_files(path))


def _weight_files(path: Path) -> tuple[Path, ...]:
    """The one file, or those that the index of several lists."""
    index, single = path / INDEX, path / WEIGHTS
    if single.is_file():
        return (single,)
    if not index.is_file():
        others = sorted(file.name for file in path.iterdir() if file.suffix in (".bin", ".pt", ".pth"))
        found = f", only {', '.join(others[:3])}" if others else ""
        raise CheckpointError(
            f"{path} has no {WEIGHTS}{found}.",
            expected=_EXPECTED,
            fix="download the weights, too; for a gated repository its terms must be accepted first",
        )
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(index, error) from error
    missing = [name for name in names if Path(name).name != name or not (path / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(map(str, missing[:3]))}, which {INDEX} lists.",
            fix="download the whole folder",
        )
    return tuple(path / name for name in names)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise DependencyError("safetensors", f"Reading {file}", "sam2") from error
    found: dict[str, Tensor] = {}
    try:
        with safe_open(file, framework="pt") as content:
            for key in content.keys():  # noqa: SIM118
                if key.endswith(COUNTER):
                    continue
                dtype = content.get_slice(key).get_dtype()
                if dtype not in DTYPES:
                    raise CheckpointError(
                        f"{file}: {key} has the dtype {dtype}.",
                        expected=f"one of {', '.join(DTYPES)}",
                        fix="export the weights as they were published, not a quantised copy",
                    )
                found[key] = content.get_tensor(key).float()
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(file, error) from error
    return found


def _damaged(file: Path, error: Exception) -> CheckpointError:
    if _is_pointer(file):
        return CheckpointError(
            f"{file} is a pointer of Git LFS in place of the file.",
            expected="the file itself",
            fix="git lfs pull in that folder, or hf download; for a gated repository accept its terms first",
        )
    return CheckpointError(f"{file} cannot be read: {error}.", fix="download it again")


def _is_pointer(file: Path) -> bool:
    """Whether Git has left a pointer: https://git-lfs.com, 'The Pointer'."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(_LFS)) == _LFS
    except OSError:
        return False
