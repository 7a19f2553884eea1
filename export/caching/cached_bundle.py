"""A checkpoint's bundle in the user's cache: exported once, found again by content and then without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ermu.errors import BundleError, DependencyError
from ermu.export.origins.content import content_of
from ermu.kernels.cache import cache_folder
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import FORMAT_VERSION
from ermu.version import __version__

Progress = Callable[[str, int, int], None]


def cached_bundle(
    checkpoint: str | Path, *, network: str | None = None, progress: Progress | None = None
) -> Bundle:
    """Exports a checkpoint into the cache, unless this release has done so before.

    Args:
        checkpoint: As of `export_bundle`.
        network: Likewise.
        progress: Likewise; not called where the bundle is there.

    Raises:
        CheckpointError: there is no such file or folder, or as `export_bundle`.
        DependencyError: it has to be exported, and torch or onnx is not installed.
    """
    checkpoint = Path(checkpoint)
    folder = bundle_folder(checkpoint, network)
    try:
        return Bundle.load(folder)
    except BundleError:
        damaged = folder.exists()
    try:
        from ermu.export.bundle_writer import export_bundle
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "torch", "Exporting a checkpoint", "export") from error
    try:
        return export_bundle(checkpoint, folder, network=network, overwrite=damaged, progress=progress)
    except (BundleError, OSError):
        if (folder / "manifest.json").is_file():  # somebody else was quicker
            return Bundle.load(folder)
        raise


def bundle_folder(checkpoint: Path, network: str | None) -> Path:
    """Where a checkpoint's bundle lies: by the file's content, the network and this release."""
    name, content = content_of(checkpoint)
    made_of = [content, network, FORMAT_VERSION, __version__]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    return cache_folder("bundles") / f"{name}-{digest}"
