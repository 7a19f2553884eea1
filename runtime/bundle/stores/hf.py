"""The Hugging Face Hub: `hf://org/name`, with `@revision` for a branch, tag or commit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ermu.errors import BundleError, DependencyError
from ermu.runtime.bundle.store import BundleStore

_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MANIFEST = "manifest.json"


class HuggingFaceHub(BundleStore):
    """A model repository with a bundle's files at its top; kept in the Hub's own cache.

    Only what the manifest lists is fetched. The environment variables of huggingface_hub hold: `HF_TOKEN`,
    `HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`.
    """

    help = "hf://org/name or hf://org/name@revision, of the Hugging Face Hub"
    schemes = ("hf",)

    def fetch(self, address: str) -> Path:
        """See `BundleStore.fetch`; a commit that is here is not asked for again."""
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise BundleError(
                f"{address} names no repository.", expected="hf://org/name or hf://org/name@revision"
            )
        repository, revision = found.groups()
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when it is imported
        try:
            import huggingface_hub
        except ImportError as error:
            raise DependencyError("huggingface_hub", f"Fetching {address}", "hub") from error
        try:
            return _fetched(huggingface_hub.snapshot_download, repository, revision)
        except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
            raise BundleError(
                f"{address} cannot be fetched: {_first_line(error)}",
                expected="a repository of the Hub with a bundle, and a network or what is in the cache",
                fix="check the name; HF_TOKEN opens private ones, HF_HUB_OFFLINE=1 takes what is here",
            ) from error


def _fetched(download: Callable[..., str], repository: str, revision: str | None) -> Path:
    """The manifest, then what it lists, of one commit."""
    local = bool(revision and _COMMIT.fullmatch(revision)) and _is_whole(download, repository, revision)
    options: dict[str, Any] = {"local_files_only": local}
    folder = Path(download(repository, revision=revision, allow_patterns=[_MANIFEST], **options))
    if not (folder / _MANIFEST).is_file():
        raise BundleError(
            f"hf://{repository} holds no bundle: it has no {_MANIFEST}.",
            fix="export one with `ermu export`, and upload what is in its folder",
        )
    files = list(_files(json.loads((folder / _MANIFEST).read_bytes())))
    return Path(download(repository, revision=folder.name, allow_patterns=[_MANIFEST, *files], **options))


def _is_whole(download: Callable[..., str], repository: str, commit: str | None) -> bool:
    """Whether all files of a commit's bundle are in the cache."""
    try:
        folder = Path(download(repository, revision=commit, local_files_only=True))
        return all(
            (folder / file).is_file() for file in _files(json.loads((folder / _MANIFEST).read_bytes()))
        )
    except (OSError, ValueError):
        return False


def _files(part: Any) -> Iterator[str]:
    """The files that a manifest lists, wherever it does."""
    if isinstance(part, dict):
        if isinstance(part.get("file"), str) and "sha256" in part:
            yield part["file"]
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from _files(inner)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


PLUGIN = HuggingFaceHub
