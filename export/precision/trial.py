"""A bundle's files in a second folder, so that new graphs can be tried beside its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from ermu.export.bundle_editor import mentioned_files
from ermu.runtime.bundle.bundle import Bundle


def copy_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """The bundle in another folder, without its engines.

    Copied, not linked: graphs look for weights in their own folder alone, and onnx refuses weights behind
    symbolic links and files with several names.

    Args:
        bundle: To copy.
        folder: Empty.
    """
    for name in mentioned_files(bundle.manifest.model_copy(update={"engines": ()})):
        shutil.copyfile(bundle.path / name, folder / name)
    return Bundle(folder, bundle.manifest)
