"""What tells checkpoints of any kind apart, found without torch."""

from __future__ import annotations

from pathlib import Path

from ermu.export.transformers_video.folder import read_folder
from ermu.export.transformers_video.whereabouts import check_is_there
from ermu.runtime.files import sha256_of


def content_of(checkpoint: Path) -> tuple[str, str]:
    """A checkpoint's name without what says its kind, and the hex SHA-256 of its content.

    Raises:
        CheckpointError: there is none, or a folder is not one of transformers.
    """
    if checkpoint.is_dir():
        folder = read_folder(checkpoint)
        return folder.name, folder.sha256()
    check_is_there(checkpoint)
    return checkpoint.stem, sha256_of(checkpoint)
